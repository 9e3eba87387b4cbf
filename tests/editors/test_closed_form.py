"""MEMIT, its aligned form, AlphaEdit, RECT and PRUNE: what each promises, on tiny and embedded models."""

import pytest
import torch

from errata import Fact, editor
from errata.associative.keys import keys_and_states, mean_keys
from errata.associative.values import ValueSettings
from errata.errors import InputError
from errata.history import History
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode_fact
from errata.sequences import Scratch
from tests.tiny import ARCHITECTURES, tiny

FACTS = [
    Fact("Dante", "The mother tongue of {} is", target="French"),
    Fact("Goethe", "The mother tongue of {} is", target="Spanish"),
    Fact("France", "The capital of {} is", target="Rome"),
]
SMALL = {"context_lengths": (3,), "covariance_tokens": 2048, "values": ValueSettings(steps=12, lr=0.3, stop=0.0)}
SPREAD = ("memit", "memit_aligned", "alphaedit")


def made(name, **more):
    wide = {"threshold": 1e9, "l2": 1e-3} if name == "alphaedit" else {"lambda_c": 1e-3}
    return editor(name, **{"layers": (0, 1), **SMALL, **wide, **more})


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_edited_and_left_alone(name, architecture):
    view = tiny(architecture)
    before = view.weights_sha256()
    edit = made(name).edit(view, FACTS)
    assert view.weights_sha256() == before
    assert [delta.layer for delta in edit.deltas] == [0, 1]
    assert [delta.rank for delta in edit.deltas] == [3, 3]
    assert set(edit.state) == {"keys.0", "keys.1"}


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gpt_neox"])
def test_the_targets_become_likelier(name, architecture):
    view = tiny(architecture)
    rows = [encode_fact(view.tokenizer, fact, fact.target) for fact in FACTS]
    without = sum(float(found.sum()) for found in target_log_probs(view, rows))
    with view.applied(made(name).edit(view, FACTS).deltas):
        assert sum(float(found.sum()) for found in target_log_probs(view, rows)) > without + 1


def test_behind_the_last_block_nothing_is_written_by_default():
    """Nothing reads the subject's token there: δ would be nothing, and so would the edit."""
    assert [editor("memit").edited_layers(tiny("gpt2", n_layer=depth)) for depth in (1, 2, 3, 4)] == [
        *((0,), (0,), (0, 1)),
        (0, 1, 2),
    ]
    assert tiny("gpt2").n_layers == 3 and editor("memit", **SMALL).edit(tiny("gpt2"), FACTS[:1]).norm() > 0


def test_with_little_else_to_weigh_the_state_arrives():
    """λ → 0 and fewer facts than d_ff: h behind the last layer becomes z = h + δ."""
    view = tiny("llama")
    contexts = [""]
    edit = editor("memit", layers=(1,), lambda_c=1e-9, **{**SMALL, "context_lengths": ()}).edit(view, FACTS)
    keys, before = keys_and_states(view, 1, 1, FACTS, contexts)
    with view.applied(edit.deltas):
        _, after = keys_and_states(view, 1, 1, FACTS, contexts)
    (delta,) = edit.deltas
    moved = (delta.left.double() @ delta.right.double() @ keys.T).T
    assert torch.allclose(after - before, moved, atol=1e-4 * float(moved.norm()))
    assert torch.allclose(moved, delta.left.double().T, atol=1e-3 * float(moved.norm()))


def test_each_layer_takes_its_share_of_what_is_left():
    view = tiny("gpt2")
    edit = made("memit", lambda_c=1e-9).edit(view, FACTS[:1])
    first, second = edit.deltas
    keys = mean_keys(view, [0], FACTS[:1], [""])[0]
    assert first.left.shape == second.left.shape == (view.d_model, 1)
    assert torch.isfinite(keys).all()
    assert 0.2 < float(first.left.norm() / (first.left + second.left).norm()) < 0.8


@pytest.mark.parametrize("name", ["memit_aligned", "alphaedit"])
def test_the_history_holds_and_an_undone_edit_weighs_no_more(name):
    view, chosen = tiny("llama"), made(name)
    first = chosen.edit(view, FACTS[:1])
    with Scratch(view) as book:
        book.apply(first)
        aware = chosen.edit(view, FACTS[1:2], book.history())
        unaware = chosen.edit(view, FACTS[1:2])
    old = first.state["keys.0"].double()
    kept, lost = (float((e.deltas[0].dense().double() @ old.T).norm() / e.deltas[0].norm()) for e in (aware, unaware))
    assert kept < 0.9 * lost
    again = chosen.edit(view, FACTS[1:2], History())
    assert not torch.equal(again.deltas[0].right, aware.deltas[0].right)


def test_plain_memit_has_no_memory():
    view = tiny("llama")
    first = made("memit").edit(view, FACTS[:1])
    assert (
        made("memit").edit(view, FACTS[1:], History([first])).to_bytes()
        == made("memit").edit(view, FACTS[1:]).to_bytes()
    )


def test_rect_keeps_the_entries_that_change_most():
    view = tiny("llama")
    base = made("memit")
    whole, thin = base.edit(view, FACTS), editor("rect", base=base, keep=0.25).edit(view, FACTS)
    for a, b in zip(whole.deltas, thin.deltas, strict=True):
        dense, kept = a.dense(), b.dense()
        there = kept != 0
        assert int(there.sum()) == round(0.25 * dense.numel())
        assert torch.equal(kept[there], dense[there])
        change = (dense / view.weight(a.layer)).abs()
        assert float(change[there].min()) >= float(change[~there].max())


def test_prune_bounds_the_sum_on_the_unedited_weights():
    view = tiny("llama")
    chosen = editor("prune", base=made("memit", layers=(1,)))
    with Scratch(view) as book:
        for fact in FACTS:
            edit = chosen.edit(view, [fact], book.history())
            (delta,) = edit.deltas
            strong = view.delta(1, 40 * delta.left, delta.right)
            book.apply(type(edit)((strong,), edit.method, edit.facts, state=edit.state))
        closing = chosen.close(view, book.history())
        base = float(torch.linalg.matrix_norm(view.base_weight(1).double(), ord=2))
        total = (view.weight(1) - view.base_weight(1)).double()
        assert float(torch.linalg.matrix_norm(total, ord=2)) > base
        book.apply(closing)
        u, sizes, vh = torch.linalg.svd(total, full_matrices=False)
        large = sizes > base
        sizes[large] = (sizes[large].log() - torch.tensor(base).double().log()) / torch.tensor(
            1.2
        ).double().log() + base
        expected = u * sizes @ vh
        assert torch.allclose((view.weight(1) - view.base_weight(1)).double(), expected, atol=1e-4 * float(sizes[0]))
    assert chosen.close(view, History()) is None


def test_bad_layers_are_refused():
    view = tiny("gpt2")
    for layers, message in (((1, 7), "do not exist"), ((), "none do not exist"), ((1, 0), "do not ascend")):
        with pytest.raises(InputError, match=message):
            editor("memit", layers=layers, **SMALL).edit(view, FACTS)

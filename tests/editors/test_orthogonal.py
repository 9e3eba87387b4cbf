"""O-Edit, O-Edit+ and DeltaEdit: their updates' geometry."""

import pytest
import torch

from errata import Fact, editor
from errata.associative.values import ValueSettings
from errata.errors import InputError
from errata.history import History
from tests.tiny import tiny

NAMES = ("Dante", "Goethe", "Cervantes", "Danielle Darrieux", "Ada Lovelace", "Marie Curie")
FACTS = [
    Fact(name, "The mother tongue of {} is", target=target)
    for name, target in zip(NAMES, ("French", "Spanish", "Italian", "German", "French", "Spanish"), strict=True)
]
SMALL = {"context_lengths": (), "covariance_tokens": 2048, "values": ValueSettings(steps=8, lr=0.3, stop=0.0)}


def rome(**more):
    return editor("rome", layer=1, **{**SMALL, **more})


def memit():
    return editor("memit_aligned", layers=(0, 1), lambda_c=1.0, **SMALL)


def sequence(view, chosen, facts=FACTS):
    """The edits of a sequence, each computed on the weights that those before it left."""
    history, edits, deltas = History(), [], []
    for fact in facts:
        with view.applied(deltas):
            edits.append(chosen.edit(view, [fact], history))
        deltas += edits[-1].deltas
        history = history.then(edits[-1])
    return edits


def cosines(edits, layer=1):
    dense = [next(d for d in edit.deltas if d.layer == layer).dense().double().flatten() for edit in edits]
    rows = torch.stack([d / d.norm() for d in dense])
    return (rows @ rows.T - torch.eye(len(rows), dtype=torch.float64)).abs().max()


@pytest.mark.parametrize("base", [rome(), memit()], ids=["rome", "memit"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_updates_of_the_plus_form_are_orthogonal(base, architecture):
    chosen = editor("o_edit_plus", base=base, energy=1.0, rank_cap=1.0, implicit_rank=4, gradient_tokens=2048)
    edits = sequence(tiny(architecture), chosen)
    for layer in {delta.layer for delta in edits[0].deltas}:
        assert float(cosines(edits, layer)) < 1e-5
    plain = sequence(tiny(architecture), base)
    assert float(cosines(plain)) > 1e-3


@pytest.mark.parametrize("base", [rome(), memit()], ids=["rome", "memit"])
def test_protecting_history_leaves_the_first_edit_as_the_base_makes_it(base):
    view = tiny("llama")
    for name in ("o_edit", "o_edit_plus"):
        found = editor(name, base=base, protect="history").edit(view, FACTS[:1])
        for ours, theirs in zip(found.deltas, base.edit(view, FACTS[:1]).deltas, strict=True):
            assert torch.equal(ours.left, theirs.left)
            assert torch.equal(ours.right, theirs.right)


def test_projection_in_the_loop_makes_the_one_behind_it_idle():
    view = tiny("llama")
    settings = {"base": rome(), "energy": 1.0, "rank_cap": 1.0, "implicit_rank": 4, "gradient_tokens": 2048}
    first = editor("o_edit", enforce="in_loop", **settings).edit(view, FACTS[:1])
    history = History([first])
    with view.applied(first.deltas):
        found = editor("o_edit", enforce="in_loop", **settings).edit(view, FACTS[1:2], history)
        guard = editor("o_edit", enforce="post", **settings).guards(view, history)[1]
    (delta,) = found.deltas
    assert guard.basis.shape[1] == 5
    assert torch.allclose(guard.left(delta.left), delta.left.double(), atol=1e-6 * float(delta.left.norm()))


def test_layers_that_share_a_residual_share_its_space():
    """U_e is that of [ΔW_total¹ … ΔW_totalᴸ], U_i that of [G¹ … Gᴸ]: what one layer may write, the others may."""
    view = tiny("llama")
    chosen = editor("o_edit_plus", base=memit(), energy=1.0, rank_cap=1.0, implicit_rank=4, gradient_tokens=2048)
    history = History(sequence(view, chosen, FACTS[:3]))
    first, second = (chosen.guards(view, history)[layer] for layer in (0, 1))
    assert torch.equal(first.basis, second.basis) and first.implicit.shape[1] == 4
    wide = torch.cat([sum(e.deltas[at].dense().double() for e in history) for at in (0, 1)], dim=1)
    expected = torch.linalg.svd(wide, full_matrices=False).U[:, : first.history.shape[1]]
    assert torch.allclose(first.history @ first.history.T, expected @ expected.T, atol=1e-6)


def test_the_loss_turns_the_update_away():
    """‖Uᵀδ‖/‖δ‖ is smaller with the loss than without it."""
    view, shares, slow = tiny("llama"), {}, rome(values=ValueSettings(steps=60, lr=0.05, stop=0.0))
    for weight in (0.0, 20.0):
        chosen = editor("o_edit", base=slow, lambda_history=weight, protect="history", energy=1.0, rank_cap=1.0)
        first, second = sequence(view, chosen, FACTS[:2])
        direction = first.deltas[0].left / first.deltas[0].left.norm()
        shares[weight] = float((direction.T @ second.deltas[0].left).norm() / second.deltas[0].left.norm())
    assert shares[20.0] < 0.8 * shares[0.0]


def test_the_right_side_leaves_old_keys_silent():
    chosen = editor("o_edit", base=rome(), enforce="post", side="right", energy=1.0, rank_cap=1.0)
    edits = sequence(tiny("llama"), chosen, FACTS[:3])
    before = edits[0].deltas[0].right
    assert float((edits[2].deltas[0].right @ before.T).abs().max()) < 1e-5 * float(before.norm() ** 2)
    assert edits[2].measured["used"] == {"1": 0.0}


def test_the_space_used_is_reported_and_capped():
    chosen = editor("o_edit_plus", base=rome(), protect="history", energy=1.0, rank_cap=0.1)
    edits = sequence(tiny("llama"), chosen)
    assert [round(edit.measured["used"]["1"] * 32) for edit in edits] == [0, 1, 2, 3, 3, 3]


def test_delta_edit_projects_outliers_only():
    view = tiny("llama")
    never = editor("delta_edit", base=rome(), outlier=1e9)
    always = editor("delta_edit", base=rome(), outlier=-1e9, energy=1.0, rank_cap=1.0)
    assert [edit.measured["projected"] for edit in sequence(view, never)] == [0] * 6
    edits = sequence(view, always)
    assert [edit.measured["projected"] for edit in edits] == [0, 0, 0, 1, 1, 1]
    before = torch.cat([edit.deltas[0].left.double() for edit in edits[:3]], dim=1)
    fourth = edits[3].deltas[0].left.double()
    assert float((before.T @ fourth).abs().max()) < 1e-5 * float(before.norm() * fourth.norm())
    assert sequence(view, never, FACTS[:2])[1].deltas[0].left.equal(sequence(view, rome(), FACTS[:2])[1].deltas[0].left)


def test_an_unknown_switch_is_refused():
    with pytest.raises(InputError, match="enforce is 'hope': choose one of none"):
        editor("o_edit", enforce="hope")
    with pytest.raises(InputError, match="cannot wrap neuron_values"):
        editor("o_edit", base=editor("neuron_values"))

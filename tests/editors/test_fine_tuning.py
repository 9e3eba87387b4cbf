"""Every editor that follows a gradient: what all of them promise, and what each one's equation says."""

import sys

import pytest
import torch

from errata import Fact, Ledger, editor
from errata.errors import InputError, MissingPackageError, UnsupportedModelError
from errata.model.hooks import count_hooks
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode_fact
from tests.editors.fixed import CHOSEN, Fixed
from tests.tiny import ARCHITECTURES, tiny

FACTS = [
    Fact("Ada Lovelace", "{} was born in", target="Paris"),
    Fact("France", "The capital of {} is", target="Madrid"),
    Fact("Dante", "The mother tongue of {} is", target="French"),
]
SETTINGS = {
    "ensemble": {"localizer": Fixed(), "lr": 0.5, "steps": 6, "stop": 1.0},
    "fine": {"lr": 0.1, "steps": 6, "stop": 1.0},
    "ft_m": {"layers": (1, 2), "lr": 1e-2, "steps": 6},
    "ft_l": {"layers": (1,), "lr": 1e-2, "bound": 2e-2, "steps": 6},
    "loc_ft_bf": {"layer": 1, "lr": 1e-2, "epochs": 4, "batch": 2},
    "lora": {"layers": (0, 2), "lr": 5e-2, "rank": 3, "steps": 6},
}
NAMES = sorted(SETTINGS)


def made(name, **more):
    return editor(name, **{**SETTINGS[name], **more})


def log_likelihood(view, facts=FACTS):
    rows = [encode_fact(view.tokenizer, fact, fact.target) for fact in facts]
    return sum(float(found.mean()) for found in target_log_probs(view, rows))


def state_of(view):
    """All that an editor must leave as it was: weights, hooks, modules, modes, flags, the model's own attributes."""
    return (
        view.weights_sha256(),
        count_hooks(view.model),
        [(name, id(module), module.training) for name, module in view.model.named_modules()],
        [(name, id(parameter), parameter.requires_grad) for name, parameter in view.model.named_parameters()],
        sorted(view.model.__dict__),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_edited_and_left_alone(architecture, name, dtype):
    view = tiny(architecture, dtype=dtype)
    before, without = state_of(view), log_likelihood(view)
    edit = made(name).edit(view, FACTS)
    assert state_of(view) == before
    assert all(delta.left.dtype == delta.right.dtype == torch.float32 for delta in edit.deltas)
    with view.applied(edit.deltas):
        assert log_likelihood(view) > without
    assert len(edit.measured["nll"]) == len(edit.measured["greedy"]) == len(edit.measured["probability"]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_is_reported_is_what_the_edited_model_says(name):
    view = tiny("llama")
    edit = made(name).edit(view, FACTS)
    rows = [encode_fact(view.tokenizer, fact, fact.target) for fact in FACTS]
    with view.applied(edit.deltas):
        said = target_log_probs(view, rows)
    for number, log_p in enumerate(said):
        assert edit.measured["nll"][number] == pytest.approx(-float(log_p.mean()), abs=1e-3)
        assert edit.measured["probability"][number] == pytest.approx(float(log_p.min().exp()), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name):
    first = made(name).edit(tiny("gpt2"), FACTS).to_bytes()
    assert made(name).edit(tiny("gpt2"), FACTS).to_bytes() == first


@pytest.mark.parametrize("name", NAMES)
def test_an_interruption_leaves_nothing_behind(name, monkeypatch):
    view = tiny("llama")
    view.model.train()
    before, step, calls = state_of(view), torch.optim.Adam.step, []

    def interrupted(self, *arguments, **more):
        calls.append(step(self, *arguments, **more))
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(name).edit(view, FACTS)
    assert len(calls) == 2
    assert state_of(view) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_nan_is_refused(name):
    view = tiny("gpt2")
    with torch.no_grad():
        view.parameter(2).fill_(torch.nan)
    with pytest.raises(UnsupportedModelError, match="NaN"):
        made(name).edit(view, FACTS)


@pytest.mark.parametrize("name", NAMES)
def test_facts_without_a_target_are_refused(name):
    view = tiny("gpt2")
    with pytest.raises(InputError, match="no facts"):
        made(name).edit(view, [])
    with pytest.raises(InputError, match="no target"):
        made(name).edit(view, [FACTS[0], Fact("France", "The capital of {} is")])


@pytest.mark.parametrize("name", NAMES)
def test_undo_gives_the_bits_back(name, tmp_path):
    view = tiny("gpt2", dtype=torch.bfloat16)
    before = view.weights_sha256()
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        first = ledger.apply(made(name).edit(view, FACTS[:1]))
        one = view.weights_sha256()
        second = ledger.apply(made(name).edit(view, FACTS[1:]))
        assert view.weights_sha256() != one != before
        ledger.undo(second)
        assert view.weights_sha256() == one
        ledger.undo(first)
        assert view.weights_sha256() == before


@pytest.mark.parametrize("name", ["ft_m", "ft_l", "loc_ft_bf", "lora"])
def test_layers_are_settled_and_checked(name):
    view, one = tiny("gpt2"), name == "loc_ft_bf"
    settled = editor(name).settled(view)
    assert (settled.layer if one else settled.layers) == {"lora": (0, 1, 2), "loc_ft_bf": 1}.get(name, (1,))
    with pytest.raises(InputError, match="layers 0 to 2"):
        editor(name, **({"layer": 7} if one else {"layers": (7,)})).edit(view, FACTS)
    if not one:
        with pytest.raises(InputError, match="none do not exist"):
            editor(name, layers=()).edit(view, FACTS)


def test_ft_m_is_adam_on_the_weight_itself():
    """Three steps by hand: the model's own weight, its own gradient, torch's Adam."""
    view = tiny("llama")
    edit = editor("ft_m", layers=(1,), lr=1e-2, steps=3).edit(view, FACTS)
    by_hand = tiny("llama")
    weight = by_hand.parameter(1)
    start, optimizer = weight.detach().clone(), torch.optim.Adam([weight], lr=1e-2)
    rows = [encode_fact(by_hand.tokenizer, fact, fact.target) for fact in FACTS]
    for _ in range(3):
        loss = torch.zeros(())
        for row in rows:
            log_p = by_hand.model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
            at = range(row.n_prompt - 1, len(row.ids) - 1)
            loss = loss - log_p[list(at), list(row.target)].mean() / len(rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    (delta,) = edit.deltas
    assert edit.measured["steps"] == 3
    assert torch.allclose(delta.dense(), weight.detach() - start, atol=1e-5)


def test_ft_l_asks_at_the_prompts_end_and_keeps_its_bound():
    view, fact = tiny("gpt2"), Fact("France", "The capital of {} is", target="Madrid. The capital")
    row = encode_fact(view.tokenizer, fact, fact.target)
    assert len(set(row.target)) > 1

    def at_the_end():
        with torch.no_grad():
            log_p = view.model(torch.tensor([row.prompt])).logits[0, -1].log_softmax(-1)
        return float(log_p[list(row.target)].mean())

    bound = 2e-2
    edit, whole = (
        editor("ft_l", layers=(1,), lr=1e-2, bound=bound, steps=10, stop=0.0, places=places).edit(view, [fact])
        for places in ("prompt", "target")
    )
    assert float(edit.deltas[0].dense().abs().max()) == pytest.approx(bound, rel=1e-6)
    before = at_the_end()
    with view.applied(edit.deltas):
        gained = at_the_end()
    with view.applied(whole.deltas):
        assert before < at_the_end() < gained
    assert whole.measured["nll"][0] < edit.measured["nll"][0]
    with pytest.raises(InputError, match="above 0"):
        editor("ft_l", bound=0.0)
    with pytest.raises(InputError, match="prompt or target"):
        editor("ft_l", places="end")


def test_loc_ft_bf_steps_once_a_mini_batch_and_visits_all_facts_every_epoch():
    view = tiny("gpt2")
    assert made("loc_ft_bf", epochs=1).edit(view, FACTS).measured["steps"] == 2
    assert made("loc_ft_bf", epochs=4).edit(view, FACTS).measured["steps"] == 8
    assert made("loc_ft_bf", epochs=9, stop=1e9).edit(view, FACTS).measured["steps"] == 2
    whole = made("loc_ft_bf", epochs=5, batch=3, stop=0.0).edit(view, FACTS)
    other = made("ft_m", layers=(1,), steps=5, lr=1e-2).edit(view, FACTS)
    assert torch.allclose(whole.deltas[0].dense(), other.deltas[0].dense(), atol=1e-5)
    seeds = [made("loc_ft_bf", batch=1, seed=seed).edit(view, FACTS).deltas[0].right for seed in (0, 1)]
    assert not torch.equal(*seeds)
    with pytest.raises(InputError, match="from 1"):
        editor("loc_ft_bf", batch=0)


@pytest.mark.parametrize("architecture", ["gpt2", "phi3"])
def test_lora_is_what_peft_computes(architecture):
    """W + left · right gives what the model gives with the same factors in PEFT's adapters; A is the seed's."""
    from peft import LoraConfig, get_peft_model

    view = tiny(architecture)
    edit = editor("lora", layers=(0, 2), rank=3, alpha=6.0, lr=5e-2, steps=4).edit(view, FACTS)
    assert [delta.rank for delta in edit.deltas] == [3, 3]
    ids = torch.tensor([encode_fact(view.tokenizer, FACTS[0]).ids])
    with torch.no_grad(), view.applied(edit.deltas):
        ours = view.model(ids).logits
    names = [view.structure.projections[layer].name for layer in (0, 2)]
    transposed = view.structure.projections[0].transposed
    adapted = get_peft_model(
        view.model, LoraConfig(r=3, lora_alpha=6, target_modules=names, fan_in_fan_out=transposed)
    ).eval()
    with torch.no_grad():
        for name, delta in zip(names, edit.deltas, strict=True):
            layer = adapted.base_model.model.get_submodule(name)
            layer.lora_A["default"].weight.copy_(delta.right)
            layer.lora_B["default"].weight.copy_(delta.left / 2)
        assert torch.allclose(adapted(ids).logits, ours, atol=1e-4)


def test_lora_begins_at_the_model_and_differs_by_seed():
    view = tiny("gpt2")
    none = made("lora", steps=0).edit(view, FACTS)
    assert all(not delta.left.any() and delta.right.any() for delta in none.deltas)
    other = made("lora", steps=0, seed=1).edit(view, FACTS)
    assert not torch.equal(none.deltas[0].right, other.deltas[0].right)
    stable = made("lora", steps=1, rank_stabilised=True).edit(view, FACTS).deltas[0].left
    plain = made("lora", steps=1).edit(view, FACTS).deltas[0].left
    assert torch.allclose(stable.abs().max(), 3**0.5 * plain.abs().max(), rtol=1e-3)


def test_lora_interrupted_while_adapters_go_in_leaves_the_modules(monkeypatch):
    import peft

    view = tiny("gpt2")
    before, inject = state_of(view), peft.inject_adapter_in_model

    def interrupted(*arguments):
        inject(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(peft, "inject_adapter_in_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made("lora").edit(view, FACTS)
    assert state_of(view) == before


def test_lora_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'errata-lm\[peft\]'"):
        made("lora").edit(tiny("gpt2"), FACTS)
    with pytest.raises(InputError, match="from 1"):
        editor("lora", rank=0)


def test_only_the_columns_of_the_neurons_change():
    view = tiny("gpt_neox", dtype=torch.bfloat16)
    edit = made("ensemble").edit(view, FACTS)
    before = [view.weight(layer).clone() for layer in range(3)]
    with view.applied(edit.deltas):
        changed = {
            (layer, index)
            for layer in range(3)
            for index in range(view.d_ff)
            if not torch.equal(view.weight(layer)[:, index], before[layer][:, index])
        }
    assert changed == set(CHOSEN)

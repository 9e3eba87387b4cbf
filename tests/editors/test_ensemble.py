"""KNE: its update by hand, its ensemble of several facts, and what its presets weigh."""

from dataclasses import replace

import pytest
import torch

from errata import Fact, editor, localizer
from errata.editors._questions import with_other_subjects
from errata.errors import EditError, InputError
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode_fact
from tests.editors.fixed import CHOSEN, MANY, Fixed
from tests.tiny import ARCHITECTURES, tiny

FACTS = [
    Fact("Ada Lovelace", "{} was born in", target="Paris"),
    Fact("France", "The capital of {} is", target="Madrid"),
]
SMALL = {"localizer": Fixed(), "lr": 0.5, "steps": 8, "stop": 1.0}


def made(**more):
    return editor("ensemble", **{**SMALL, **more})


def neurons_of(edit):
    """The columns that an edit changes."""
    return {(delta.layer, int(i)) for delta in edit.deltas for i in delta.dense().any(dim=0).nonzero()}


def test_steps_are_adam_on_the_scaled_columns():
    """Ŵ = W + (α/√n) ΔW by hand: the model's own weights rebuilt from ΔW, torch's Adam, all layers at once."""
    view, alpha = tiny("gpt2"), 0.7
    edit = made(alpha=alpha, steps=3).edit(view, FACTS)
    by_hand = tiny("gpt2")
    columns = {layer: [i for at, i in CHOSEN if at == layer] for layer in range(3)}
    free = {layer: torch.zeros(32, len(own), requires_grad=True) for layer, own in columns.items()}
    optimizer = torch.optim.Adam(free.values(), lr=0.5)
    rows = [encode_fact(by_hand.tokenizer, fact, fact.target) for fact in FACTS]
    for _ in range(3):
        weights = {}
        for layer, own in columns.items():
            change = torch.zeros(32, 64).index_add(1, torch.tensor(own), alpha / 5**0.5 * free[layer])
            name = f"{by_hand.structure.projections[layer].name}.weight"
            weights[name] = by_hand.parameter(layer).detach() + change.T
        loss = torch.zeros(())
        for row in rows:
            out = torch.func.functional_call(by_hand.model, weights, (torch.tensor([row.ids]),))
            log_p, at = out.logits[0].log_softmax(-1), range(row.n_prompt - 1, len(row.ids) - 1)
            loss = loss - log_p[list(at), list(row.target)].mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert [delta.rank for delta in edit.deltas] == [2, 1, 2]
    for delta in edit.deltas:
        own = delta.dense()[:, columns[delta.layer]]
        assert torch.allclose(own, alpha / 5**0.5 * free[delta.layer].detach(), atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_preset_robust_reaches_every_architecture(architecture):
    view = tiny(architecture)
    rows = [encode_fact(view.tokenizer, fact, fact.target) for fact in FACTS]
    before, without = view.weights_sha256(), [float(p.mean()) for p in target_log_probs(view, rows)]
    edit = made(preset="robust", others=3).edit(view, FACTS)
    assert view.weights_sha256() == before
    assert (0, 3) in neurons_of(edit) <= set(CHOSEN)  # a neuron behind a ReLU may be silent, and stay
    with view.applied(edit.deltas):
        assert sum(float(p.mean()) for p in target_log_probs(view, rows)) > sum(without)
    assert edit.measured["neurons"] == 5
    assert edit.measured["histogram"] == [2, 1, 2]


def divergence(view, edit, prompts):
    """Mean KL(p₀ ‖ p) of the next token of the prompts."""

    def log_p(prompt):
        with torch.no_grad():
            return view.model(torch.tensor([view.tokenizer(prompt)["input_ids"]])).logits[0, -1].log_softmax(-1)

    before = [log_p(prompt) for prompt in prompts]
    with view.applied(edit.deltas):
        after = [log_p(prompt) for prompt in prompts]
    return sum(float((p.exp() * (p - q)).sum()) for p, q in zip(before, after, strict=True)) / len(prompts)


def test_every_term_lowers_what_it_weighs():
    view, settled = tiny("llama"), {"steps": 30, "context_lengths": (), "others": 6, "preset": "robust"}
    off = {"kl_neighbours": 0.0, "kl_essence": 0.0, "weight_norm": 0.0}
    plain = made(**settled, **off).edit(view, FACTS)
    essence = [f"{fact.subject} is a" for fact in FACTS]
    sampled = with_other_subjects(view, FACTS, 6, seed=0)
    own = ["The Colosseum is in", "The mother tongue of Goethe is"]
    more = made(**settled, **{**off, "kl_neighbours": 10.0}).edit(view, FACTS)
    assert divergence(view, more, sampled) < 0.5 * divergence(view, plain, sampled)
    more = made(**settled, **{**off, "kl_essence": 10.0}).edit(view, FACTS)
    assert divergence(view, more, essence) < 0.5 * divergence(view, plain, essence)
    more = made(**{**settled, "others": 0}, keep=tuple(own), **{**off, "kl_neighbours": 10.0}).edit(view, FACTS)
    assert divergence(view, more, own) < 0.5 * divergence(view, plain, own)
    more = made(**settled, **{**off, "weight_norm": 10.0}).edit(view, FACTS)
    assert more.norm() < 0.5 * plain.norm()


def test_presets_are_what_the_settings_say():
    view = tiny("gpt2")
    paper, robust = (editor("ensemble", localizer=Fixed(), preset=name) for name in ("paper", "robust"))
    own = paper.settled(view)
    assert (own.kl_neighbours, own.kl_essence, own.weight_norm, own.context_lengths) == (0.0, 0.0, 0.0, ())
    assert {question.kind for question in own.questions(view, FACTS)} == {"learn"}
    assert paper.edit(view, FACTS).to_bytes() == own.edit(view, FACTS).to_bytes()
    own = robust.settled(view)
    assert min(own.kl_neighbours, own.kl_essence, own.weight_norm) > 0
    assert own.context_lengths == (5, 10)
    asked = own.questions(view, FACTS)
    assert len([question for question in asked if question.kind == "learn"]) == 6
    assert sum(q.weight for q in asked if q.kind == "keep") == pytest.approx(own.kl_neighbours + own.kl_essence)
    assert robust.settled(view) == own.settled(view)
    assert (paper.settled(view).lr, own.lr, replace(robust, lr=0.5).settled(view).lr) == (0.05, 0.02, 0.5)
    assert editor("ensemble", localizer=Fixed(), preset="robust", weight_norm=0.5).settled(view).weight_norm == 0.5


def test_it_stops_where_every_target_is_said_surely():
    """At 0.7: a random model's final norm lets no weights bring these targets above 0.8."""
    view = tiny("llama")
    many = {"localizer": Fixed((MANY,)), "lr": 0.2}
    found = made(**many, steps=200, stop=0.7).edit(view, FACTS).measured
    assert 0 < found["steps"] < 200
    assert min(found["probability"]) >= 0.7
    assert found["greedy"] == [1.0, 1.0]
    rows = [encode_fact(view.tokenizer, fact, fact.target) for fact in FACTS]
    short = made(**many, steps=found["steps"] - 1, stop=1.0).edit(view, FACTS)
    with view.applied(short.deltas):
        assert min(float(p.min().exp()) for p in target_log_probs(view, rows)) < 0.7


def test_the_ensemble_of_several_facts():
    """One fact: its set. Several: the largest summed scores, as many as on average; or all."""
    view = tiny("gpt2")
    first, second = ((0, 1), (0, 2), (2, 5)), ((0, 2), (1, 4), (2, 5))
    fixed = Fixed((first, second))
    assert neurons_of(made(localizer=fixed).edit(view, FACTS[:1])) == set(first)
    assert neurons_of(made(localizer=fixed).edit(view, FACTS)) == {(0, 2), (2, 5), (0, 1)}
    assert neurons_of(made(localizer=fixed, batch="union").edit(view, FACTS)) == set(first) | set(second)
    assert neurons_of(made(localizer=Fixed((CHOSEN,))).edit(view, FACTS)) == set(CHOSEN)


def test_any_localizer_will_do():
    view = tiny("llama")
    found = localizer("knowledge_neurons", threshold=0.3)
    fact = Fact("France", "The capital of {} is", target="Madrid", answer="Paris")
    edit = made(localizer=found).edit(view, [fact])
    assert neurons_of(edit) == set(found.attribute(view, [fact])[0].neurons)
    assert edit.settings["localizer"]["name"] == "knowledge_neurons"


def test_bad_settings_are_refused():
    view = tiny("gpt2")
    with pytest.raises(EditError, match="no neuron"):
        made(localizer=Fixed(((),))).edit(view, FACTS)
    with pytest.raises(InputError, match="choose one of paper, robust"):
        made(preset="bold")
    with pytest.raises(InputError, match="keep has no weight"):
        made(keep=("Dante is a",)).edit(view, FACTS)
    with pytest.raises(InputError, match="prompt to keep is empty"):
        made(preset="robust", keep=("",)).edit(view, FACTS)
    with pytest.raises(InputError, match="choose sum or union"):
        made(batch="mean")

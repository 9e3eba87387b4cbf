"""FiNE: its neurons from its score, its loss's terms, and its vectors."""

import pytest
import torch

from errata import Fact, editor
from errata.errors import EditError
from errata.model.hooks import capture_inputs
from errata.model.tokens import encode_fact
from tests.editors.fixed import CHOSEN, MANY, Fixed
from tests.tiny import ARCHITECTURES, tiny

FACTS = [
    Fact("Ada Lovelace", "{} was born in", target="Paris"),
    Fact("France", "The capital of {} is", target="Madrid. The"),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_are_what_neurons_add_to_the_models_own_token(architecture):
    """Σ_i k_i W[:, i] · u_o = (v − b) · u_o, position by position, of the model's own values."""
    view = tiny(architecture)
    row = encode_fact(view.tokenizer, FACTS[1], FACTS[1].target)
    found = editor("fine").localizer.attribute(view, FACTS)[1]
    places = list(range(row.n_prompt - 1, len(row.ids) - 1))
    modules = [view.projection(layer) for layer in range(3)]
    with torch.no_grad(), capture_inputs(modules) as keys:
        tokens = view.model(torch.tensor([row.ids])).logits[0, places].argmax(-1)
    directions = view.model.get_output_embeddings().weight.detach()[tokens]
    expected, chosen = torch.zeros(3, view.d_ff), set()
    for place, direction in zip(places, directions, strict=True):
        at_place = torch.stack(
            [keys[l].view(-1, view.d_ff)[place] * (view.weight(l).T @ direction) for l in range(3)]  # noqa: E741
        )
        expected += at_place
        best = at_place[:2].flatten().topk(5).indices.tolist()
        chosen |= {(i // view.d_ff, i % view.d_ff) for i in best}
    assert torch.allclose(found.scores, expected, atol=1e-4 * float(expected.abs().max()))
    assert set(found.neurons) == chosen
    assert found.change is None
    assert found.gap is None


def test_only_its_neurons_get_a_vector():
    view = tiny("llama")
    for chosen in (editor("fine").localizer, Fixed()):
        edit = editor("fine", localizer=chosen, steps=3, lr=0.1).edit(view, FACTS)
        expected = {neuron for found in chosen.attribute(view, FACTS) for neuron in found.neurons}
        changed = {(delta.layer, int(i)) for delta in edit.deltas for i in delta.dense().any(dim=0).nonzero()}
        assert changed == expected
        assert edit.measured["neurons"] == len(expected)
    assert edit.settings["localizer"]["name"] == "fixed"
    assert changed == set(CHOSEN)


def again(view, edit, fact):
    """p(the target's first token | prompt, target) in the edited model."""
    row = encode_fact(view.tokenizer, fact, fact.target)
    with torch.no_grad(), view.applied(edit.deltas):
        return float(view.model(torch.tensor([row.ids])).logits[0, -1].softmax(-1)[row.target[0]])


def test_every_term_lowers_what_it_weighs():
    view, fact = tiny("llama"), Fact("France", "The capital of {} is", target="Madrid")
    common = {"localizer": Fixed(), "steps": 30, "lr": 0.1, "stop": 1.0}
    off = {"kl_factor": 0.0, "repetition": 0.0, "norm": 0.0}
    plain = editor("fine", **common, **off).edit(view, [fact])
    less = editor("fine", **common, **{**off, "repetition": 10.0}).edit(view, [fact])
    assert again(view, less, fact) < 0.5 * again(view, plain, fact)
    short = editor("fine", **common, **{**off, "norm": 100.0}).edit(view, [fact])
    assert short.norm() < 0.5 * plain.norm()
    ids = torch.tensor([view.tokenizer("France is a")["input_ids"]])

    def moved(edit):
        with torch.no_grad():
            before = view.model(ids).logits[0, -1].log_softmax(-1)
            with view.applied(edit.deltas):
                after = view.model(ids).logits[0, -1].log_softmax(-1)
        return float((before.exp() * (before - after)).sum())

    kin = editor("fine", **common, **{**off, "kl_factor": 10.0}).edit(view, [fact])
    assert moved(kin) < 0.5 * moved(plain)


def test_it_stops_where_every_target_is_said_surely():
    chosen = editor("fine", localizer=Fixed((MANY,)), repetition=0.0, norm=0.0, lr=0.02, steps=300, stop=0.7)
    found = chosen.edit(tiny("llama"), FACTS).measured
    assert 0 < found["steps"] < 300
    assert min(found["probability"]) >= 0.7


def test_a_localizer_that_finds_nothing_is_refused():
    with pytest.raises(EditError, match="no neuron"):
        editor("fine", localizer=Fixed(((),))).edit(tiny("gpt2"), FACTS)

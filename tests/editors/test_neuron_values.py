"""Edits of value vectors: eq. 7 column by column, both scales, and scaling that is exact."""

import pytest
import torch

from errata import Fact, editor, localizer
from errata.errors import EditError, InputError
from errata.model.head import answer_directions
from errata.model.hooks import change_input
from errata.model.tokens import encode_fact
from tests.tiny import ARCHITECTURES, tiny

FACT = Fact("France", "The capital of {} is", target="Rome", answer="Paris")
FEW = localizer("knowledge_neurons", threshold=0.5, steps=4)


def neurons_of(view, fact=FACT):
    return FEW.attribute(view, [fact])[0].neurons


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("scale", ["printed", "norm"])
def test_correct_adds_the_targets_direction_to_each_neurons_column(architecture, scale):
    view = tiny(architecture)
    chosen = neurons_of(view)
    edit = editor("neuron_values", localizer=FEW, scale=scale, lambda_old=1.0, lambda_new=8.0).edit(view, [FACT])
    embedding = view.model.get_output_embeddings().weight.detach()
    t = embedding[encode_fact(view.tokenizer, FACT, "Paris").target[0]]
    t_new = embedding[encode_fact(view.tokenizer, FACT, "Rome").target[0]]
    base = [view.weight(layer).clone() for layer in range(view.n_layers)]
    with view.applied(edit.deltas):
        for layer in range(view.n_layers):
            for index in range(view.d_ff):
                column, now = base[layer][:, index], view.weight(layer)[:, index]
                if (layer, index) not in chosen:
                    assert torch.equal(now, column)
                    continue
                size = column.norm() if scale == "norm" else 1.0
                old, new = (t / t.norm(), t_new / t_new.norm()) if scale == "norm" else (t, t_new)
                assert torch.allclose(now, column - 1.0 * size * old + 8.0 * size * new, atol=1e-5)
    assert all(delta.rank == 1 for delta in edit.deltas)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_suppressing_equals_silencing_the_activations(architecture):
    view = tiny(architecture)
    chosen = neurons_of(view)
    edit = editor("neuron_values", localizer=FEW, action="suppress").edit(view, [FACT])
    ids = torch.tensor([encode_fact(view.tokenizer, FACT).ids])
    with torch.no_grad(), view.applied(edit.deltas):
        edited = view.model(input_ids=ids, use_cache=False).logits
        for layer, index in chosen:
            assert torch.equal(view.weight(layer)[:, index], torch.zeros(view.d_model))
    from contextlib import ExitStack

    with torch.no_grad(), ExitStack() as stack:
        for layer in range(view.n_layers):
            off = torch.ones(view.d_ff)
            off[list(chosen.in_layer(layer))] = 0
            stack.enter_context(change_input(view.projection(layer), lambda x, off=off: x * off))
        silenced = view.model(input_ids=ids, use_cache=False).logits
    assert torch.allclose(edited, silenced, atol=1e-5)


def test_amplify_doubles_exactly_and_touches_nothing_else():
    view = tiny("gpt2")
    chosen = neurons_of(view)
    edit = editor("neuron_values", localizer=FEW, action="amplify").edit(view, [FACT])
    base = [view.weight(layer).clone() for layer in range(view.n_layers)]
    with view.applied(edit.deltas):
        for layer in range(view.n_layers):
            factor = torch.ones(view.d_ff)
            factor[list(chosen.in_layer(layer))] = 2
            assert torch.equal(view.weight(layer), base[layer] * factor)


def test_erase_zeroes_the_most_frequent_neurons_of_several_facts():
    view = tiny("gpt2")
    capital = "The capital of {} is"
    facts = [FACT, Fact("Italy", capital, answer="Rome"), Fact("Spain", capital, answer="Madrid")]
    counts = {}
    for found in FEW.attribute(view, facts):
        for neuron in found.neurons:
            counts[neuron] = counts.get(neuron, 0) + 1
    expected = sorted(counts, key=lambda n: (-counts[n], n))[:3]
    edit = editor("neuron_values", localizer=FEW, action="erase", most=3).edit(view, facts)
    with view.applied(edit.deltas):
        zero = [
            (layer, index)
            for layer in range(view.n_layers)
            for index in range(view.d_ff)
            if not view.weight(layer)[:, index].any()
        ]
    assert zero == sorted(expected)


def test_the_models_own_answer_is_replaced_when_none_is_given():
    view = tiny("llama")
    edit = editor("neuron_values", localizer=FEW).edit(view, [Fact("France", "The capital of {} is", target="Rome")])
    assert edit.deltas


def test_the_old_answer_is_the_facts_own_where_neurons_are_found_for_the_target() -> None:
    view = tiny("gpt2")
    few = localizer("ensemble", steps=2)
    assert few.attribute(view, [FACT])[0].answer == FACT.target
    found = editor("neuron_values", localizer=few).edit(view, [FACT])
    embedding = answer_directions(view)
    old, new = (encode_fact(view.tokenizer, FACT, answer).target[0] for answer in ("Paris", "Rome"))
    for delta in found.deltas:
        assert torch.allclose(delta.left[:, 0], 2 * (embedding[new] - embedding[old]), atol=1e-6)


def test_bad_input_is_refused():
    view = tiny("gpt2")
    with pytest.raises(InputError, match="no target"):
        editor("neuron_values", localizer=FEW).edit(view, [Fact("France", "The capital of {} is", answer="Paris")])
    with pytest.raises(EditError, match="no neuron"):
        class_of = type(FEW)
        empty = {"attribute": lambda self, view, facts: [_emptied(a) for a in FEW.attribute(view, facts)]}
        nothing = type("Nothing", (class_of,), empty)
        editor("neuron_values", localizer=nothing()).edit(view, [FACT])


def _emptied(found):
    from dataclasses import replace

    return replace(found, neurons=found.neurons - found.neurons)


def test_neurons_of_a_method_without_a_gap_are_edited_too():
    view = tiny("gpt2")
    refined = localizer("kn_refined", localizer=FEW)
    edit = editor("neuron_values", localizer=refined).edit(view, [FACT])
    assert edit.measured["gap"] is None
    assert edit.measured["neurons"] == [len(refined.attribute(view, [FACT])[0].neurons)]
    assert editor("neuron_values", localizer=FEW).edit(view, [FACT]).measured["gap"] > 0

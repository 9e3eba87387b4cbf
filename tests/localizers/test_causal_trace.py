"""The corrupted run: its noise, what restoring gives back, neuron by neuron and along a path."""

import math
from typing import Any

import pytest
import torch

from errata import Fact, localizer
from errata.errors import InputError
from errata.localizers._asked import rows_of
from errata.localizers._corrupted import corrupted, disturbance, state_effects
from errata.localizers._slopes import objective_of
from errata.model.hooks import capture_inputs, change_input, change_output, count_hooks
from errata.model.scoring import OBJECTIVES
from errata.neurons import NeuronSet
from tests.tiny import ARCHITECTURES, LAYERS, tiny

FACT = Fact("France", "The capital of {} is", answer="Rome Paris")
OTHER = Fact("Danielle Darrieux", "{} was born in", answer="Rome")
PROBABILITY = OBJECTIVES["probability"]


def noise_of(view: Any, fact: Fact, draws: int = 2) -> torch.Tensor:
    row = rows_of(view, [fact], [fact.answer or ""])[0]
    return disturbance(view, row, 3.0, draws, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3"])
def test_the_subject_alone_is_disturbed_by_three_standard_deviations(architecture: str) -> None:
    view = tiny(architecture)
    row = rows_of(view, [OTHER], ["Rome"])[0]
    noise = noise_of(view, OTHER, draws=200)
    assert len(row.subject) > 1 and row.subject[0] == 0
    assert float(noise[:, row.subject.stop :].abs().max()) == 0
    table = view.model.get_input_embeddings()(torch.arange(view.model.config.vocab_size)).detach()
    assert float(noise[:, list(row.subject)].std()) == pytest.approx(3 * float(table.std()), rel=0.05)


def test_the_subject_may_stand_anywhere() -> None:
    view = tiny("gpt2")
    row = rows_of(view, [FACT], ["Rome Paris"])[0]
    text = view.tokenizer.decode([row.ids[at] for at in row.subject])
    assert text.strip() == "France"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_path_adds_up_to_what_restoring_the_layer_gives_back(architecture: str) -> None:
    view = tiny(architecture)
    row = rows_of(view, [FACT], ["Rome Paris"])[0]
    method = localizer("causal_trace", draws=2)
    found = method.attribute(view, [FACT])[0]
    noise = disturbance(view, row, 3.0, 2, method._generator(FACT))
    assert found.change is not None and found.gap is not None
    ids, last = torch.tensor([row.ids]), row.subject[-1]
    with torch.no_grad(), capture_inputs([p.module for p in view.structure.projections]) as seen:
        view.model(input_ids=ids, use_cache=False)
    clean = {layer: seen[layer].reshape(len(row.ids), -1)[last].clone() for layer in range(LAYERS)}
    largest = float(found.change.abs().max())
    for layer in range(LAYERS):

        def restore(keys: torch.Tensor, layer: int = layer) -> torch.Tensor:
            rows = keys.clone().view(2, len(row.ids), -1)
            rows[:, last] = clean[layer]
            return rows.view(keys.shape)

        with torch.no_grad(), corrupted(view, noise):
            floor = objective_of(view, [row] * 2, PROBABILITY)
            with change_input(view.projection(layer), restore):
                restored = objective_of(view, [row] * 2, PROBABILITY)
        expected = float((restored - floor).mean())
        assert float(found.change[layer]) == pytest.approx(expected, abs=2e-6)
        assert float(found.scores[layer].double().sum()) == pytest.approx(expected, abs=0.0101 * largest + 2e-6)
    assert found.gap <= 0.0101 * largest + 2e-6


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "phi3"])
def test_patching_restores_one_neuron_at_a_time(architecture: str) -> None:
    view = tiny(architecture)
    row = rows_of(view, [FACT], ["Rome Paris"])[0]
    method = localizer("causal_trace", algorithm="patching", draws=1)
    found = method.attribute(view, [FACT])[0]
    noise, last = disturbance(view, row, 3.0, 1, method._generator(FACT)), row.subject[-1]
    with torch.no_grad(), capture_inputs([p.module for p in view.structure.projections]) as seen:
        view.model(input_ids=torch.tensor([row.ids]), use_cache=False)
    with torch.no_grad(), corrupted(view, noise):
        floor = float(objective_of(view, [row], PROBABILITY))
        for layer, neuron in ((0, 3), (1, 17), (2, 63)):
            clean = seen[layer].reshape(len(row.ids), -1)[last, neuron]
            with capture_inputs([view.projection(layer)]) as now:
                objective_of(view, [row], PROBABILITY)
            shift = (clean - now[0].reshape(len(row.ids), -1)[last, neuron]) * view.weight(layer)[:, neuron]

            def add(values: torch.Tensor, shift: torch.Tensor = shift) -> torch.Tensor:
                rows = values.clone().view(len(row.ids), -1)
                rows[last] += shift
                return rows.view(values.shape)

            with change_output(view.projection(layer), add):
                effect = float(objective_of(view, [row], PROBABILITY)) - floor
            assert float(found.scores[layer, neuron]) == pytest.approx(effect, abs=1e-6)
    assert found.change is None and found.neurons == NeuronSet.top(found.scores, round(0.03 * found.scores.numel()))


def test_path_and_patching_agree_where_effects_are_small() -> None:
    view = tiny("gpt2")
    settings: dict[str, Any] = {"draws": 1, "noise": 1e-3, "objective": "log_probability"}
    path = localizer("causal_trace", **settings).attribute(view, [FACT])[0].scores
    patched = localizer("causal_trace", algorithm="patching", **settings).attribute(view, [FACT])[0].scores
    assert float((path - patched).abs().max()) < 0.05 * float(patched.abs().max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_states_restored_at_every_position_of_the_subject_restore_the_answer(architecture: str) -> None:
    view = tiny(architecture)
    one = Fact("France", "{} is in", answer="Rome")
    row = rows_of(view, [one], ["Rome"])[0]
    noise = noise_of(view, one)
    with torch.no_grad():
        clean = float(objective_of(view, [row], PROBABILITY))
        with corrupted(view, noise):
            floor = float(objective_of(view, [row] * 2, PROBABILITY).mean())
    effects = state_effects(view, row, noise, PROBABILITY)
    assert effects.shape == (len(row.ids), LAYERS)
    # Behind the last block, the state that predicts is the whole answer, and no other position matters.
    assert float(effects[-1, -1]) == pytest.approx(clean - floor, abs=1e-5)
    assert float(effects[:-1, -1].abs().max()) < 1e-6


def test_states_are_traced_by_the_method_too() -> None:
    view = tiny("llama")
    found = localizer("causal_trace", draws=2).states(view, [FACT, OTHER])
    rows = rows_of(view, [FACT, OTHER], ["Rome Paris", "Rome"])
    assert [len(effects) for effects in found] == [len(row.ids) for row in rows]
    assert torch.equal(found[0][: rows[0].subject.start], torch.zeros(rows[0].subject.start, LAYERS))


def test_the_noise_is_the_facts_own_and_the_seeds() -> None:
    view = tiny("gpt2")
    both = localizer("causal_trace", draws=1).attribute(view, [FACT, OTHER])
    alone = localizer("causal_trace", draws=1).attribute(view, [OTHER])[0]
    assert torch.equal(both[1].scores, alone.scores)
    other = localizer("causal_trace", draws=1, seed=1).attribute(view, [OTHER])[0]
    assert not torch.equal(other.scores, alone.scores)
    assert localizer("causal_trace").attribute(view, []) == []


@pytest.mark.parametrize("algorithm", ["path", "patching"])
def test_the_model_is_left_as_it_was(algorithm: str) -> None:
    view = tiny("gpt2")
    view.model.train()
    before = view.weights_sha256()
    settings: dict[str, Any] = {"draws": 1, "algorithm": algorithm, "tolerance": math.inf}
    calm = localizer("causal_trace", **settings).attribute(tiny("gpt2"), [FACT])[0]
    found = localizer("causal_trace", **settings).attribute(view, [FACT])[0]
    assert torch.allclose(found.scores, calm.scores, atol=1e-6)
    assert view.weights_sha256() == before and view.model.training and count_hooks(view.model) == 0
    assert all(p.requires_grad and p.grad is None for p in view.model.parameters())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"algorithm": "exact"}, "choose path or patching"),
        ({"draws": 0}, "at least 1"),
        ({"copies": 0}, "at least 1"),
        ({"noise": 0.0}, "above 0"),
        ({"tolerance": 0.0}, "above 0"),
        ({"share": 2.0}, "outside"),
        ({"positions": "end"}, "choose answer, subject or all"),
        ({"attributed": "both"}, "choose target or answer"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        localizer("causal_trace", **wrong).attribute(tiny("gpt2"), [FACT])

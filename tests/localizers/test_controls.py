"""The controls: activation, gradient × activation, value vectors, random neurons, whole layers."""

import random
from typing import Any

import pytest
import torch

from errata import Fact, localizer
from errata.errors import InputError
from errata.localizers._shuffle import order_of
from errata.model.hooks import capture_inputs, count_hooks
from errata.model.tokens import encode
from errata.model.view import ModelView
from errata.neurons import NeuronSet
from tests.tiny import ARCHITECTURES, D_FF, LAYERS, tiny

FACT = Fact("France", "The capital of {} is", target="Madrid", answer="Rome Paris")
OTHER = Fact("Italy", "The capital city of {} is", target="Paris", answer="Rome")
ALL: dict[str, dict[str, Any]] = {
    "activation": {},
    "gradient_activation": {},
    "value_vectors": {},
    "random": {},
    "all_in_layers": {},
}
TOP = round(0.03 * LAYERS * D_FF)
METHODS = pytest.mark.parametrize("name", sorted(ALL))


def keys_of(view: ModelView, ids: tuple[int, ...]) -> torch.Tensor:
    """k of every layer and position `[layers, positions, d_ff]`."""
    with torch.no_grad(), capture_inputs([p.module for p in view.structure.projections]) as seen:
        view.model(input_ids=torch.tensor([ids]), use_cache=False)
    return torch.stack([seen[layer].reshape(len(ids), -1).float() for layer in range(view.n_layers)])


def places(view: ModelView, positions: str) -> list[int]:
    tokens = encode(view.tokenizer, FACT.text, "Rome Paris", FACT.subject_end)
    at = list(range(tokens.n_prompt - 1, len(tokens.ids) - 1))
    assert tokens.subject_last is not None
    return {"answer": at, "subject": [tokens.subject_last], "all": list(range(len(tokens.ids) - 1))}[positions]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@METHODS
def test_every_architecture_is_scored_and_left_as_it_was(architecture: str, name: str) -> None:
    view = tiny(architecture)
    view.model.train()
    before = view.weights_sha256()
    first, second = localizer(name, **ALL[name]).attribute(view, [FACT, OTHER])
    alone = localizer(name, **ALL[name]).attribute(view, [OTHER])[0]
    assert first.scores.shape == (LAYERS, D_FF) or architecture == "bloom"
    assert (first.method, first.answer, second.answer) == (name, "Rome Paris", "Rome")
    assert len(first.neurons) > 0 and first.gap is None
    assert torch.allclose(second.scores, alone.scores, atol=1e-6) and second.neurons == alone.neurons
    assert view.weights_sha256() == before and view.model.training and count_hooks(view.model) == 0
    assert all(p.requires_grad and p.grad is None for p in view.model.parameters())
    assert localizer(name, **ALL[name]).attribute(view, []) == []


@pytest.mark.parametrize("positions", ["answer", "subject", "all"])
@pytest.mark.parametrize("architecture", ["gpt2", "opt", "llama"])
def test_activations_are_those_of_the_positions(architecture: str, positions: str) -> None:
    view = tiny(architecture)
    ids = encode(view.tokenizer, FACT.text, "Rome Paris").ids[:-1]
    keys = keys_of(view, ids)[:, places(view, positions)]
    found = localizer("activation", positions=positions).attribute(view, [FACT])[0]
    signed = localizer("activation", positions=positions, magnitude=False).attribute(view, [FACT])[0]
    assert torch.allclose(found.scores, keys.abs().mean(1), atol=1e-6)
    assert torch.allclose(signed.scores, keys.mean(1), atol=1e-6)
    assert found.neurons == NeuronSet.top(found.scores, TOP)


def gradient_of_keys(view: ModelView, positions: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """k and ∂f/∂k at the positions, by autograd of the keys themselves."""
    tokens = encode(view.tokenizer, FACT.text, "Rome Paris")
    with capture_inputs([p.module for p in view.structure.projections]) as seen:
        log_p = view.model(input_ids=torch.tensor([tokens.ids[:-1]]), use_cache=False).logits[0].log_softmax(-1)
    f = sum(log_p[tokens.n_prompt - 1 + j, token].exp() for j, token in enumerate(tokens.target))
    keys = [seen[layer] for layer in range(view.n_layers)]
    slopes = torch.autograd.grad(torch.as_tensor(f), keys)
    width = view.d_ff
    return (
        torch.stack([key.detach().reshape(-1, width)[positions] for key in keys]),
        torch.stack([slope.reshape(-1, width)[positions] for slope in slopes]),
    )


@pytest.mark.parametrize("positions", ["answer", "subject", "all"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradient_times_activation_by_autograd(architecture: str, positions: str) -> None:
    view = tiny(architecture)
    keys, slopes = gradient_of_keys(view, places(view, positions))
    for product, expected in ((True, (keys * slopes).sum(1)), (False, slopes.sum(1).abs())):
        method = localizer("gradient_activation", positions=positions, product=product)
        found = method.attribute(view, [FACT])[0]
        assert float((found.scores - expected).abs().max()) < 1e-4 * float(expected.abs().max())
        assert len(found.neurons) == round(0.03 * LAYERS * view.d_ff)


def test_gradient_times_activation_is_the_end_of_the_ensembles_path() -> None:
    view = tiny("gpt2")
    at_one = localizer("gradient_activation", positions="all", attributed="target").attribute(view, [FACT])[0]
    # The right Riemann sum of one point is the integrand at α = 1, and there all paths are one.
    path = localizer("ensemble", rule="riemann-right", steps=1).attribute(view, [FACT])[0]
    assert torch.allclose(at_one.scores, path.scores, atol=1e-5 * float(path.scores.abs().max()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_value_vectors_direct_effect_is_what_it_adds_to_the_logit(architecture: str) -> None:
    view = tiny(architecture)
    tokens = encode(view.tokenizer, FACT.text, "Rome Paris")
    keys, at = keys_of(view, tokens.ids[:-1]), places(view, "answer")
    embedding = view.model.get_output_embeddings().get_parameter("weight").detach()
    with torch.no_grad():
        best = view.model(input_ids=torch.tensor([tokens.ids[:-1]])).logits[0, at].argmax(-1).tolist()
    for own, wanted in ((True, best), (False, list(tokens.target))):
        found = localizer("value_vectors", own=own).attribute(view, [FACT])[0]
        for layer in range(LAYERS):
            expected = torch.zeros(view.d_ff)
            for place, token in zip(at, wanted, strict=True):
                for neuron in range(view.d_ff):
                    value = view.weight(layer)[:, neuron]
                    expected[neuron] += keys[layer, place, neuron] * (value @ embedding[token])
            assert float((found.scores[layer] - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_value_vectors_keeps_the_best_of_each_token_as_fine_does() -> None:
    view = tiny("gpt2")
    method = localizer("value_vectors", per_token=5, own=False)
    tokens = len(encode(view.tokenizer, FACT.text, "Rome Paris").target)
    found = method.attribute(view, [FACT])[0]
    assert 5 <= len(found.neurons) <= 5 * tokens and tokens > 1
    one_token = Fact("France", FACT.prompt, answer="Rome")
    assert len(encode(view.tokenizer, one_token.text, "Rome").target) == 1
    alone = method.attribute(view, [one_token])[0]
    assert alone.neurons == NeuronSet.top(alone.scores, 5)
    for last, inside in ((1, 2), (3, 2)):  # half of the three layers at most
        inner = localizer("value_vectors", share=1.0, last_layers=last).attribute(view, [FACT])[0]
        assert inner.neurons.histogram == (D_FF,) * inside + (0,) * (LAYERS - inside)


@pytest.mark.parametrize("architecture", ["gpt2", "phi3"])
def test_random_neurons_match_another_localizer_in_count_and_layers(architecture: str) -> None:
    view = tiny(architecture)
    like = localizer("ensemble", share=0.2)
    expected = like.attribute(view, [FACT, OTHER])
    found = localizer("random", localizer=like).attribute(view, [FACT, OTHER])
    for one, other in zip(found, expected, strict=True):
        assert one.neurons.histogram == other.neurons.histogram and one.neurons != other.neurons
        assert torch.equal(one.scores.sort(-1).values, other.scores.sort(-1).values)
        kept = torch.stack([one.scores[neuron] for neuron in one.neurons]).sort().values
        assert torch.equal(kept, torch.stack([other.scores[neuron] for neuron in other.neurons]).sort().values)
        assert one.answer == other.answer and one.change is None
    assert found[0].neurons != found[1].neurons


def test_random_neurons_are_drawn_by_the_seed() -> None:
    view = tiny("gpt2")
    sets = {seed: localizer("random", seed=seed).attribute(view, [FACT])[0].neurons for seed in (0, 1)}
    assert sets[0] != sets[1]
    assert localizer("random", seed=1).attribute(view, [OTHER, FACT])[1].neurons == sets[1]


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_random_neurons_apart_are_others_as_long_as_the_layer_has_them(share: float) -> None:
    view, like = tiny("gpt2"), localizer("ensemble", share=share)
    expected = like.attribute(view, [FACT])[0]
    found = [localizer("random", localizer=like, seed=seed, apart=True).attribute(view, [FACT])[0] for seed in (0, 1)]
    assert found[0].neurons != found[1].neurons
    for one in found:
        assert one.neurons.histogram == expected.neurons.histogram
        shared = (one.neurons & expected.neurons).histogram
        assert shared == tuple(max(0, 2 * count - D_FF) for count in expected.neurons.histogram)
        assert torch.equal(one.scores.sort(-1).values, expected.scores.sort(-1).values)
        kept = torch.stack([one.scores[neuron] for neuron in one.neurons]).sort().values
        assert torch.equal(kept, torch.stack([expected.scores[neuron] for neuron in expected.neurons]).sort().values)


def test_random_neurons_not_apart_are_those_of_the_shuffle_alone() -> None:
    view = tiny("gpt2")
    like = localizer("ensemble", share=0.2)
    own = like.attribute(view, [FACT])[0]
    found = localizer("random", localizer=like, seed=3).attribute(view, [FACT])[0]
    chance = random.Random(f"3 {FACT.text} {own.answer}")
    order = order_of(own.scores.shape, torch.Generator().manual_seed(chance.getrandbits(63)))
    assert torch.equal(found.scores, own.scores.gather(-1, order))


def test_an_order_holds_every_neuron_of_a_layer_once() -> None:
    order = order_of((4, 5, 100), torch.Generator().manual_seed(0))
    assert torch.equal(order.sort(-1).values, torch.arange(100).expand(4, 5, 100))
    assert not torch.equal(order[0, 0], order[0, 1])


def test_all_neurons_of_named_layers() -> None:
    found = localizer("all_in_layers", layers=(0, 2)).attribute(tiny("gpt2"), [FACT])[0]
    assert found.neurons.histogram == (D_FF, 0, D_FF)
    assert torch.equal(found.scores, torch.tensor([[1.0], [0.0], [1.0]]).expand(LAYERS, D_FF))


def test_all_neurons_of_the_layers_that_a_localizer_finds() -> None:
    view, like = tiny("gpt2"), localizer("value_vectors", per_token=1, own=False)
    expected = [D_FF if count else 0 for count in like.attribute(view, [OTHER])[0].neurons.histogram]
    assert 0 < sum(expected) < LAYERS * D_FF
    found = localizer("all_in_layers", localizer=like).attribute(view, [OTHER])[0]
    assert list(found.neurons.histogram) == expected


@METHODS
def test_the_models_own_answer_is_taken_where_none_is_given(name: str) -> None:
    found = localizer(name, **ALL[name]).attribute(tiny("llama"), [Fact("France", FACT.prompt)])[0]
    assert found.answer


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("activation", {"share": 0.0}, "outside"),
        ("activation", {"positions": "first"}, "choose answer, subject or all"),
        ("gradient_activation", {"positions": "first"}, "choose answer, subject or all"),
        ("gradient_activation", {"objective": "margin"}, "no objective"),
        ("gradient_activation", {"attributed": "top"}, "choose target or answer"),
        ("value_vectors", {"last_layers": -1}, "give 0 or more"),
        ("value_vectors", {"per_token": 0}, "keep at least 1"),
        ("value_vectors", {"attributed": "best"}, "choose target or answer"),
        ("all_in_layers", {"layers": (LAYERS,)}, "from 0 to 2"),
        ("all_in_layers", {"layers": ()}, "at least one"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(name: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        localizer(name, **wrong).attribute(tiny("gpt2"), [FACT])

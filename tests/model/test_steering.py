"""Neurons at a multiple of their activation: what scaled value vectors give, with nothing written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from errata.errors import InputError
from errata.model.hooks import count_hooks
from errata.model.steering import promoted, scaled
from errata.model.view import ModelView
from tests.tiny import ARCHITECTURES

FACTORS = {(0, 3): 0.0, (0, 5): 2.0, (2, 7): -1.5}


def logits(view: ModelView) -> torch.Tensor:
    ids = torch.tensor([view.tokenizer("The capital of France is")["input_ids"]])
    with torch.no_grad():
        return view.model(input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scaling_neurons_is_scaling_their_value_vectors(tiny: Callable[..., ModelView], architecture: str) -> None:
    view = tiny(architecture)
    plain = logits(view)
    with scaled(view, FACTORS):
        steered = logits(view)
    assert count_hooks(view.model) == 0 and torch.equal(logits(view), plain)
    deltas = []
    for layer in (0, 2):
        left = torch.zeros(view.d_model, view.d_ff)
        for (at, index), factor in FACTORS.items():
            if at == layer:
                left[:, index] = (factor - 1) * view.weight(layer)[:, index]
        deltas.append(view.delta(layer, left, torch.eye(view.d_ff)))
    with view.applied(deltas):
        torch.testing.assert_close(steered, logits(view), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(steered, plain, atol=1e-5)


def test_the_promoted_tokens_have_the_largest_products(tiny: Callable[..., ModelView]) -> None:
    view = tiny("llama")
    embedding = view.model.get_output_embeddings().weight.detach()
    products = embedding @ view.weight(1)[:, 4]
    found = promoted(view, (1, 4), 3)
    assert [value for _, value in found] == pytest.approx(sorted(products.tolist(), reverse=True)[:3])
    assert found[0][0] == view.tokenizer.decode([int(products.argmax())])


def test_a_neuron_the_model_does_not_have_is_refused(tiny: Callable[..., ModelView]) -> None:
    view = tiny("gpt2")
    for neuron in ((3, 0), (0, 64), (-1, 0)):
        with pytest.raises(InputError, match="outside a model"), scaled(view, {neuron: 0.0}):
            pass
        with pytest.raises(InputError, match="outside a model"):
            promoted(view, neuron)

"""Neurons held at a multiple of their activation while a model writes; no weight is written.

    k_i ← f_i k_i    at every position, before v = W k

which gives what value vector i times f_i would: f = 0 suppresses a neuron, f = 2 amplifies it (Dai et al. 2022, §4.2).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from errata.model.head import answer_directions
from errata.model.hooks import Change, change_input
from errata.model.view import ModelView
from errata.neurons import Neuron, NeuronSet


@contextmanager
def scaled(view: ModelView, factors: Mapping[Neuron, float]) -> Generator[None]:
    """The model with every neuron `(layer, index)` at its factor times its activation, inside the block.

    Raises InputError for a neuron that the model does not have.
    """
    NeuronSet(view.n_layers, view.d_ff, frozenset(factors))
    with ExitStack() as stack:
        for layer in sorted({layer for layer, _ in factors}):
            own = {index: factor for (at, index), factor in factors.items() if at == layer}
            stack.enter_context(change_input(view.projection(layer), _times(own)))
        yield


@torch.no_grad()
def promoted(view: ModelView, neuron: Neuron, count: int = 8) -> list[tuple[str, float]]:
    """The tokens that a neuron's value vector promotes most: the largest value_i · output embedding, in logits.

    Raises InputError for a neuron that the model does not have, and for an output embedding of another width.
    """
    NeuronSet(view.n_layers, view.d_ff, frozenset({neuron}))
    layer, index = neuron
    embedding = answer_directions(view)
    logits = embedding.float() @ view.weight(layer)[:, index].to(embedding.device).float()
    best = logits.topk(min(count, len(logits)))
    words = (str(view.tokenizer.decode([token])) for token in best.indices.tolist())
    return list(zip(words, best.values.tolist(), strict=True))


def _times(factors: Mapping[int, float]) -> Change:
    def change(keys: Tensor) -> Tensor:
        changed = keys.clone()
        for index, factor in factors.items():
            changed[..., index] *= factor
        return changed

    return change

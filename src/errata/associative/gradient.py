"""The gradient of the language-model loss on general text with respect to W: the model's implicit knowledge.

    G = Σ_x ∇_W L_LM(x; θ₀) = Σ over tokens of (∂L/∂v) kᵀ            v = W k

of the unedited model, from the layers' outputs alone: no weight needs a gradient. L is the mean NLL of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from errata.associative.sampling import sample_tokens
from errata.model.hooks import capture_inputs, change_output, frozen
from errata.model.view import ModelView

WINDOW = 64
ROWS = 32


def text_gradient(
    view: ModelView, layers: Sequence[int], tokens: int = 20_000, seed: int = 0
) -> dict[int, Float[Tensor, "d_model d_ff"]]:
    """G of every layer over about `tokens` tokens that the unedited model samples itself; float64."""
    total = {layer: torch.zeros(view.d_model, view.d_ff, dtype=torch.float64) for layer in layers}
    with view.unedited(), frozen(view.model):
        for number in range(max(1, tokens // (WINDOW * ROWS))):
            ids = sample_tokens(view, ROWS, WINDOW, seed + number)
            for layer, part in _gradient(view, layers, ids).items():
                total[layer] += part
    return total


def _gradient(view: ModelView, layers: Sequence[int], ids: Tensor) -> dict[int, Tensor]:
    leaves: list[Tensor] = []

    def leaf(output: Tensor) -> Tensor:
        leaves.append(torch.zeros_like(output, requires_grad=True))
        return output + leaves[-1]

    modules = [view.projection(layer) for layer in layers]
    with ExitStack() as stack, torch.enable_grad():
        keys = stack.enter_context(capture_inputs(modules))
        changes: list[Callable[[Tensor], Tensor]] = [leaf] * len(modules)
        for module, change in zip(modules, changes, strict=True):
            stack.enter_context(change_output(module, change))
        logits = view.model(input_ids=ids, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())
        slopes = torch.autograd.grad(loss * len(ids), leaves)
    return {
        layer: slope.reshape(-1, view.d_model).double().cpu().T @ keys[i].detach().reshape(-1, view.d_ff).double().cpu()
        for i, (layer, slope) in enumerate(zip(layers, slopes, strict=True))
    }

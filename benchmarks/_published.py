"""The attribution schemes that Errata's own is measured against: the published one from its equations, and captum's.

    Attr(w) = w̄ ∫₀¹ ∂P_x(αw̄)/∂w dα ≈ w̄ ∘ Σ_j weight_j ∂P_x(α_j w̄)/∂w        (Dai et al. 2022; Wu et al. 2025, eqs. 1–3)

w are one layer's neurons, the value projection's input, at the last position. Every layer goes on its own: one forward
pass reads w̄, then the whole prompt goes through once more in a batch of one copy a point. Parameters are expected to
be frozen and the model in eval mode; nothing but the model's structure is taken from Errata. Departures: none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor, nn

from errata import ModelView

Rule = tuple[Tensor, Tensor]
CAPTUM_METHODS = {"riemann-right": "riemann_right", "gauss-legendre": "gausslegendre"}


def plain_scores(
    view: ModelView, row: Sequence[int], target: int, rule: Rule, layers: Iterable[int] | None = None
) -> Tensor:
    """Scores `[layers, d_ff]` of one prompt by the published scheme, for all layers or those named."""
    chosen = range(view.n_layers) if layers is None else layers
    return torch.stack([_plain_layer(view, view.projection(layer), row, target, rule) for layer in chosen])


def _plain_layer(view: ModelView, projection: nn.Module, row: Sequence[int], target: int, rule: Rule) -> Tensor:
    ids = torch.tensor([row], device=view.device)
    nodes, weights = (part.to(view.device, view.dtype)[:, None] for part in rule)
    read: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.append(inputs[0].view(1, len(row), -1)[0, -1])

    def put(_module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        keys = inputs[0].view(len(nodes), len(row), -1)
        return torch.cat([keys[:, :-1], scaled[:, None]], dim=1).view(inputs[0].shape)

    with torch.no_grad(), projection.register_forward_pre_hook(keep):
        view.model(input_ids=ids, use_cache=False)
    scaled = (nodes * read[0]).requires_grad_()
    with torch.enable_grad(), projection.register_forward_pre_hook(put):
        logits = view.model(input_ids=ids.expand(len(nodes), -1), use_cache=False).logits
        probability = logits[:, -1].softmax(-1)[:, target]
        (gradient,) = torch.autograd.grad(probability.sum(), scaled)
    return (read[0] * (weights * gradient).sum(0)).cpu()


def captum_scores(
    view: ModelView, row: Sequence[int], target: int, rule: str, points: int, layers: Iterable[int] | None = None
) -> Tensor:
    """The same scores by captum's LayerIntegratedGradients, layer by layer.

    captum integrates a whole layer input, from what the layer holds for a baseline *input*. So that both are what the
    equation says, the neurons of the last position pass through a module of their own, which captum takes as its
    layer, and a second input multiplies them: 1 in the input, 0 in the baseline.
    """
    chosen = range(view.n_layers) if layers is None else layers
    return torch.stack([_captum_layer(view, view.projection(layer), row, target, rule, points) for layer in chosen])


def _captum_layer(
    view: ModelView, projection: nn.Module, row: Sequence[int], target: int, rule: str, points: int
) -> Tensor:
    last = nn.Identity()
    ids = torch.tensor([row], device=view.device)
    present = torch.ones(1, 1, device=view.device, dtype=view.dtype)

    def probability(ids: Tensor, present: Tensor) -> Tensor:
        def put(_module: nn.Module, inputs: tuple[Any, ...]) -> Tensor:
            keys = inputs[0].view(*ids.shape, -1)
            return torch.cat([keys[:, :-1], last(keys[:, -1] * present)[:, None]], dim=1).view(inputs[0].shape)

        with projection.register_forward_pre_hook(put):
            return view.model(input_ids=ids, use_cache=False).logits[:, -1].softmax(-1)[:, target]

    found = LayerIntegratedGradients(probability, last).attribute(
        (ids, present),
        (ids, torch.zeros_like(present)),
        n_steps=points,
        method=CAPTUM_METHODS[rule],
        attribute_to_layer_input=True,
    )
    return found[0].detach().cpu()

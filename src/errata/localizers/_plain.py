"""The same scores straight from the equations: every layer, every point, the whole prompt, neurons as leaves.

The oracle of the tests, and `algorithm="plain"`: nothing is shared, kept or known about the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from errata.localizers._paths import PathScores
from errata.localizers._quadrature import Rule
from errata.model.hooks import frozen
from errata.model.scoring import Objective
from errata.model.view import ModelView


def plain_scores(
    view: ModelView,
    rows: Sequence[Sequence[int]],
    targets: Sequence[int],
    rule: Rule,
    objective: Objective,
    at: Sequence[int] | None = None,
) -> PathScores:
    """Attr = k ∘ Σ_j weight_j ∂f/∂w at w = α_j k, layer by layer, prompt by prompt."""
    exact = torch.promote_types(view.dtype, torch.float32)
    nodes, weights = (part.to(view.device, exact) for part in rule)
    alphas = torch.cat([nodes, nodes.new_zeros(1)])  # the last point, α = 0, has no weight: it gives f(0)
    scores = torch.zeros(len(rows), view.n_layers, len(view.neurons), dtype=exact)
    change = torch.zeros(len(rows), view.n_layers, dtype=exact)
    for prompt, (row, target) in enumerate(zip(rows, targets, strict=True)):
        place = len(row) - 1 if at is None else at[prompt]
        ids = torch.tensor([list(row)] * len(alphas), device=view.device)
        mask = torch.ones_like(ids)

        def f(rows: Tensor, mask: Tensor, place: int = place, target: int = target) -> Tensor:
            logits = view.model(input_ids=rows, attention_mask=mask, use_cache=False).logits[:, place]
            return objective(logits.to(exact).log_softmax(-1)[:, target])

        with frozen(view.model), torch.no_grad():
            true = f(ids[:1], mask[:1])
        for layer, projection in enumerate(view.structure.projections):
            points = _Points(alphas, place)
            with frozen(view.model), torch.enable_grad(), ExitStack() as stack:
                stack.callback(projection.module.register_forward_pre_hook(points.enter).remove)
                value = f(ids, mask)
                (gradient,) = torch.autograd.grad(value.sum(), points.neurons)
            mean = (weights[:, None] * gradient[:-1].to(exact)).sum(0)
            scores[prompt, layer] = view.ranks.part(points.key.to(exact) * mean).cpu()
            change[prompt, layer] = float(true[0] - value.detach()[-1])
    return PathScores(scores, change)


@dataclass(slots=True, eq=False)
class _Points:
    """In front of one value projection: row j's neurons at one position become α_j of what they are."""

    alphas: Tensor
    place: int
    key: Tensor = field(init=False)
    neurons: Tensor = field(init=False)

    def enter(self, _projection: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        keys = inputs[0].detach().reshape(len(self.alphas), -1, inputs[0].shape[-1]).clone()
        self.key = keys[0, self.place].clone()
        self.neurons = (self.alphas[:, None] * self.key).to(keys.dtype).requires_grad_()
        keys[:, self.place] = self.neurons
        return (keys.view(inputs[0].shape), *inputs[1:])

"""Muon, the optimizer of the hidden matrices: momentum whose update is orthogonalised.

    M ← μM + G        O = NewtonSchulz(G + μM) ≈ U Vᵀ        W ← (1 − ηλ)W − η·0.2·√max(m, n)·O

Source: Jordan et al. 2024 (Muon: the quintic with coefficients 3.4445, −4.7750, 2.0315), step size matched to AdamW's
as in Liu et al. 2025, arXiv 2502.16982, eq. 4. Departure: float32 throughout, because torch.optim.Muon
orthogonalises in bfloat16, which is slower than float32 on a CPU without bfloat16 units; matrices of one shape go
through together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by five Newton–Schulz steps, for matrices only."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.05) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                directions = []
                for parameter in parameters:
                    state = self.state[parameter]
                    momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                    momentum.mul_(group["momentum"]).add_(parameter.grad)
                    directions.append(parameter.grad + group["momentum"] * momentum)
                scale = group["lr"] * 0.2 * max(shape) ** 0.5
                for parameter, update in zip(parameters, orthogonalise(torch.stack(directions)), strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Push every singular value of `[batch, m, n]` towards one: X ← aX + (b·XXᵀ + c·(XXᵀ)²)X."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x

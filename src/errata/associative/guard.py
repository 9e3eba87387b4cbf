"""Keep an update's directions away from a subspace: as a loss, in the optimisation, or behind it.

The update is ΔW = left · right. With orthonormal U (left) and V (right) the guard offers

    penalty   λ₁ ‖U_eᵀδ‖/‖δ‖ + λ₂ ‖U_iᵀδ‖/‖δ‖          added to the loss of δ
    project   δ ← (I − UUᵀ) δ                              after each step of the optimisation, U = orth[U_e, U_i]
    left      left ← (I − UUᵀ) left                        once the update is known
    right     right ← right (I − VVᵀ)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from errata.associative.subspace import away, orthonormal


@dataclass(frozen=True, eq=False)
class Guard:
    """The subspaces of one layer and how they are enforced; float64.

    `history`   U_e, left directions of the updates before `[d_model, k]`
    `implicit`  U_i, left directions of the model's implicit knowledge `[d_model, q]`
    `keys`      V, right directions of the updates before `[d_ff, k]`
    `weights`   (λ₁, λ₂) of the loss; None: no loss
    `in_loop`   project δ after each step, and the update's keys
    `after`     project both of the update's factors
    `only`      of each fact, whether it is guarded while it is optimised; None: all are
    """

    history: Float[Tensor, "d_model k"]
    implicit: Float[Tensor, "d_model q"]
    keys: Float[Tensor, "d_ff r"]
    weights: tuple[float, float] | None = None
    in_loop: bool = False
    after: bool = False
    only: Bool[Tensor, " facts"] | None = None

    @cached_property
    def basis(self) -> Float[Tensor, "d_model both"]:
        """U = orth[U_e, U_i]."""
        return orthonormal(torch.cat([self.history, self.implicit], dim=1))

    def penalty(self, delta: Float[Tensor, "facts d_model"]) -> Float[Tensor, " facts"]:
        """λ₁ ‖U_eᵀδ‖/‖δ‖ + λ₂ ‖U_iᵀδ‖/‖δ‖ of each fact; 0 at δ = 0, where it has no gradient."""
        total = torch.zeros(len(delta)).to(delta)
        if self.weights is None:
            return total
        length = delta.square().sum(-1).add(1e-24).sqrt()
        for weight, basis in zip(self.weights, (self.history, self.implicit), strict=True):
            if basis.shape[1]:
                inside = delta @ basis.to(delta)
                total = total + weight * (inside.square().sum(-1) + 1e-24).sqrt() / length
        return torch.where(delta.detach().abs().sum(-1) > 0, total, torch.zeros_like(total))

    def project(self, delta: Float[Tensor, "facts d_model"], facts: Tensor) -> Float[Tensor, "facts d_model"]:
        """(I − UUᵀ) δ where the guard works in the loop."""
        if not self.in_loop:
            return delta
        inside = away(self.basis, delta.T.to(self.basis)).T.to(delta)
        return inside if self.only is None else torch.where(self.only.to(facts.device)[facts][:, None], inside, delta)

    def left(self, columns: Float[Tensor, "d_model m"]) -> Float[Tensor, "d_model m"]:
        """(I − UUᵀ) of an update's left factor."""
        return away(self.basis, columns.to(self.basis)) if self.after else columns

    def right(self, rows: Float[Tensor, "m d_ff"]) -> Float[Tensor, "m d_ff"]:
        """An update's right factor times (I − VVᵀ)."""
        return away(self.keys, rows.T.to(self.keys)).T if self.after or self.in_loop else rows

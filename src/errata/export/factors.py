"""A layer's sum of deltas in as few factors as it needs: exactly, or the strongest directions only.

With L = [left_1 … left_n] `[d_model, R]` and Rᵀ = [right_1ᵀ … right_nᵀ] `[d_ff, R]`, both in float64 and each pair of
columns scaled to equal norms,

    L = Q_L T_L,   Rᵀ = Q_R T_R,   T_L T_Rᵀ = U Σ Vᵀ,   Σ ΔW_i = (Q_L U) Σ (Q_R V)ᵀ

σ_j is numerically zero where σ_j ≤ ε · max(d_model, d_ff) · ‖T_L‖₂ ‖T_R‖₂, ε = 2⁻⁵²: the bound is one of the terms, so
that edits which cancel each other leave nothing. Where no direction is zero the edits' own factors stay, bit for bit.
The k strongest are the best approximation of rank k (Eckart and Young 1936); lost energy is Σ_{j>k} σ_j² / Σ σ_j².
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit, WeightDelta


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Σ ΔW_i of one layer as left · right, float32; `needed` is the rank of the sum, `lost` the energy left out."""

    layer: int
    module: str
    left: Float[Tensor, "d_model rank"]
    right: Float[Tensor, "rank d_ff"]
    needed: int
    lost: float = 0.0

    @property
    def rank(self) -> int:
        """Number of columns of `left`."""
        return self.left.shape[1]

    def padded(self, rank: int) -> tuple[Float[Tensor, "d_model r"], Float[Tensor, "r d_ff"]]:
        """Both factors with zeros behind their own columns and rows, up to a rank."""
        more = rank - self.rank
        left = torch.cat([self.left, self.left.new_zeros(len(self.left), more)], dim=1)
        return left, torch.cat([self.right, self.right.new_zeros(more, self.right.shape[1])])


def by_layer(edits: Iterable[Edit]) -> dict[int, list[WeightDelta]]:
    """The deltas of edits, in order, by layer."""
    found: dict[int, list[WeightDelta]] = {}
    for edit in edits:
        for delta in edit.deltas:
            found.setdefault(delta.layer, []).append(delta)
    return dict(sorted(found.items()))


@torch.no_grad()
def compress(deltas: Sequence[WeightDelta], most: int | None = None) -> Factors:
    """The sum of one layer's deltas in the fewest factors, or in its `most` strongest directions."""
    layer, module = deltas[0].layer, deltas[0].module
    left, right = without_zeros(torch.cat([d.left for d in deltas], dim=1), torch.cat([d.right for d in deltas]))
    given = left.shape[1]
    if given == 0:
        return Factors(layer, module, left, right, 0)
    scale = (right.double().norm(dim=1) / left.double().norm(dim=0)).sqrt()
    basis, triangle = torch.linalg.qr(left.double() * scale)
    other_basis, other_triangle = torch.linalg.qr((right.double() / scale[:, None]).T)
    u, sigma, v = torch.linalg.svd(triangle @ other_triangle.T, full_matrices=False)
    terms = torch.linalg.matrix_norm(triangle, ord=2) * torch.linalg.matrix_norm(other_triangle, ord=2)
    zero = torch.finfo(torch.float64).eps * max(left.shape[0], right.shape[1]) * terms
    needed = int((sigma > zero).sum())
    kept = needed if most is None else min(needed, most)
    if kept == given:
        return Factors(layer, module, left, right, needed)
    energy = sigma[:needed].square()
    lost = float(energy[kept:].sum() / energy.sum()) if kept < needed else 0.0
    root = sigma[:kept].sqrt()
    left, right = basis @ (u[:, :kept] * root), (root[:, None] * v[:kept]) @ other_basis.T
    return Factors(layer, module, left.float().contiguous(), right.float().contiguous(), needed, lost)


def without_zeros(
    left: Float[Tensor, "d_model rank"], right: Float[Tensor, "rank d_ff"]
) -> tuple[Float[Tensor, "d_model kept"], Float[Tensor, "kept d_ff"]]:
    """Factors without the columns and rows that add nothing."""
    used = (left != 0).any(dim=0) & (right != 0).any(dim=1)
    return left[:, used].contiguous(), right[used].contiguous()

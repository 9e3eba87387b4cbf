"""The running sum of updates as a thin SVD, and projections that keep an update away from its leading directions.

    T = U diag(σ) Vᵀ ,      T + A B  from  the SVD of  [diag(σ) 0; 0 0] + [UᵀA; R_a][VᵀBᵀ; R_b]ᵀ

where Q_aR_a and Q_bR_b are the parts of A and Bᵀ outside of U and V (Brand 2006, eqs. 3–4). An update of rank m costs
O((d_model + d_ff)(r + m)²), whatever number of edits went before. The leading k directions are the fewest with

    Σ_{j≤k} σ_j² ≥ ε Σ_j σ_j²                       k ≤ cap · d_model

(the energy rule of gradient projection memory, Saha et al. 2021, eq. 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import torch
from jaxtyping import Float
from torch import Tensor

# Directions this far below the largest are rounding.
NOTHING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class RunningSum:
    """T = U diag(σ) Vᵀ in float64: `left` is U, `right` is V, `sizes` the singular values, largest first."""

    left: Float[Tensor, "d_model rank"]
    sizes: Float[Tensor, " rank"]
    right: Float[Tensor, "d_ff rank"]

    @classmethod
    def zero(cls, d_model: int, d_ff: int) -> RunningSum:
        """T = 0."""
        wide = torch.float64
        return cls(torch.zeros(d_model, 0, dtype=wide), torch.zeros(0, dtype=wide), torch.zeros(d_ff, 0, dtype=wide))

    def plus(self, left: Float[Tensor, "d_model m"], right: Float[Tensor, "m d_ff"]) -> RunningSum:
        """T + left · right."""
        a, b = left.to(self.left), right.to(self.right).T
        new_left, on_left = _outside(self.left, a)
        new_right, on_right = _outside(self.right, b)
        old = len(self.sizes)
        core = torch.zeros(old + new_left.shape[1], old + new_right.shape[1]).to(self.left)
        core[:old, :old] = self.sizes.diag()
        core += torch.cat([self.left.T @ a, on_left]) @ torch.cat([self.right.T @ b, on_right]).T
        u, sizes, v = thin_svd(core)
        kept = sizes > NOTHING * sizes.max() if len(sizes) else sizes > 0
        return RunningSum(
            torch.cat([self.left, new_left], 1) @ u[:, kept],
            sizes[kept],
            torch.cat([self.right, new_right], 1) @ v.T[:, kept],
        )

    def leading(self, energy: float, cap: float) -> int:
        """k: the fewest directions that hold `energy` of Σσ², at most cap · d_model."""
        total = self.sizes.square().sum()
        if float(total) == 0:
            return 0
        share = self.sizes.square().cumsum(0) / total
        return min(int((share < energy - NOTHING).sum()) + 1, len(self.sizes), floor(cap * len(self.left)))


def thin_svd(matrix: Float[Tensor, "rows columns"]) -> tuple[Tensor, Tensor, Tensor]:
    """U, σ, Vᵀ with at most as many of each as the shorter side.

    LAPACK's divide and conquer now and then gives up on a matrix with many equal singular values, such as one of
    orthonormal columns. Such a matrix is rotated first, A Q = U diag(σ) (QᵀV)ᵀ, which changes neither U nor σ.
    """
    try:
        return torch.linalg.svd(matrix, full_matrices=False)
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage] (documented, but not in __all__)
        generator = torch.Generator().manual_seed(0)
        size = matrix.shape[1]
        turn = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q.to(matrix)
        u, sizes, v = torch.linalg.svd(matrix @ turn, full_matrices=False)
        return u, sizes, v @ turn.T


def _outside(basis: Float[Tensor, "d rank"], columns: Float[Tensor, "d m"]) -> tuple[Tensor, Tensor]:
    """Q, R with columns = basis basisᵀ columns + Q R: what the columns have outside of the basis."""
    rest = columns
    for _ in range(2):  # twice is enough for orthogonality to rounding
        rest = rest - basis @ (basis.T @ rest)
    q, sizes, turn = thin_svd(rest)
    kept = sizes > NOTHING * columns.norm().clamp_min(1e-300)
    kept[max(0, len(basis) - basis.shape[1]) :] = False  # no more directions than there are
    return q[:, kept], sizes[kept, None] * turn[kept]


def orthonormal(columns: Float[Tensor, "d m"]) -> Float[Tensor, "d rank"]:
    """An orthonormal basis of the columns' span."""
    if columns.shape[1] == 0:
        return columns
    u, sizes, _ = thin_svd(columns)
    return u[:, sizes > 1e-10 * sizes.max()] if float(sizes.max()) > 0 else u[:, :0]


def away(basis: Float[Tensor, "d rank"], columns: Float[Tensor, "d m"]) -> Float[Tensor, "d m"]:
    """(I − UUᵀ) X for an orthonormal U."""
    return columns - basis @ (basis.T @ columns)

"""Linear systems of the closed-form editors, in float64.

Every editor here asks for W + ΔW with (W + ΔW) k = v + r at the new keys, and as little change as may be elsewhere.
They differ in what "elsewhere" weighs, a matrix A over keys, and all of them need A⁻¹ only:

    ROME       ΔW = r (A⁻¹k)ᵀ / kᵀA⁻¹k                A = C             exactly r at k
    MEMIT      ΔW = R Kᵀ(A + KKᵀ)⁻¹                   A = λC            least squares
    aligned    the same                               A = λC + K_pK_pᵀ  with the keys of the edits before
    AlphaEdit  ΔW = R KᵀP (K_pK_pᵀP + KKᵀP + L₂I)⁻¹   A⁻¹ = Q(L₂I + QᵀK_pK_pᵀQ)⁻¹Qᵀ,  P = QQᵀ

Woodbury's identity turns the inverse with n keys into a system of n unknowns, and the step from K_p to [K_p K] too:

    Kᵀ(A + KKᵀ)⁻¹ = (I + KᵀA⁻¹K)⁻¹ KᵀA⁻¹          (A + KKᵀ)⁻¹ = A⁻¹ − A⁻¹K (I + KᵀA⁻¹K)⁻¹ KᵀA⁻¹

so that one d_ff³ factorisation of C a layer is all that is ever paid. Sources: Meng et al. 2022 (ROME), eq. 2; Meng et
al. 2023 (MEMIT), eq. 14; Fang et al. 2025 (AlphaEdit), eq. 13; Woodbury 1950.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import EditError


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """A⁻¹ `[d_ff, d_ff]`, float64, symmetric; of rank below d_ff where keys may only change in a subspace."""

    inverse: Float[Tensor, "d_ff d_ff"]

    def after(self, keys: Float[Tensor, "facts d_ff"]) -> Weighting:
        """(A + KKᵀ)⁻¹: the same with more keys that must keep their values."""
        product = keys.to(self.inverse) @ self.inverse
        return Weighting(self.inverse - product.T @ self._solve(keys, product))

    def directions(self, keys: Float[Tensor, "facts d_ff"]) -> Float[Tensor, "facts d_ff"]:
        """A⁻¹k of every key."""
        return keys.to(self.inverse) @ self.inverse

    def rows(self, keys: Float[Tensor, "facts d_ff"]) -> Float[Tensor, "facts d_ff"]:
        """Kᵀ(A + KKᵀ)⁻¹: the right factor of the least-squares update; the left one is R."""
        return self._solve(keys, self.directions(keys))

    def _solve(self, keys: Tensor, product: Tensor) -> Tensor:
        """(I + KᵀA⁻¹K)⁻¹ KᵀA⁻¹, where `product` is KᵀA⁻¹."""
        inner = torch.eye(len(keys)).to(product) + product @ keys.to(product).T
        factor, failed = torch.linalg.cholesky_ex((inner + inner.T) / 2)
        if int(failed) or not bool(torch.isfinite(factor).all()):
            raise EditError("The keys' system is singular or not finite: check the model for NaN, or edit fewer facts.")
        return torch.cholesky_solve(product, factor)


def whiten(
    covariance: Float[Tensor, "d_ff d_ff"], keys: Float[Tensor, "facts d_ff"], ridge: float = 1e-3
) -> Float[Tensor, "facts d_ff"]:
    """(C + ridge · tr(C)/d_ff · I)⁻¹ k of a few keys, without the inverse itself."""
    return torch.cholesky_solve(keys.double().cpu().T, _factor(covariance, ridge)).T


def by_covariance(covariance: Float[Tensor, "d_ff d_ff"], weight: float = 1.0, ridge: float = 1e-3) -> Weighting:
    """A = weight · (C + ridge · tr(C)/d_ff · I)."""
    return Weighting(torch.cholesky_inverse(_factor(covariance, ridge)) / weight)


def _factor(covariance: Float[Tensor, "d_ff d_ff"], ridge: float) -> Float[Tensor, "d_ff d_ff"]:
    """The Cholesky factor of C + ridge · tr(C)/d_ff · I."""
    mean = covariance.diagonal().mean()
    loaded = covariance.double() + ridge * mean * torch.eye(len(covariance), dtype=torch.float64)
    factor, failed = torch.linalg.cholesky_ex(loaded)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise EditError("The covariance of the keys is singular or not finite: use more tokens or a larger ridge.")
    return factor


def by_identity(d_ff: int, weight: float = 1.0) -> Weighting:
    """A = weight · I: no covariance."""
    return Weighting(torch.eye(d_ff, dtype=torch.float64) / weight)


def in_null_space(covariance: Float[Tensor, "d_ff d_ff"], threshold: float, weight: float) -> Weighting:
    """A⁻¹ = P / weight, P on the eigenvectors of C whose eigenvalue is below `threshold`.

    Raises EditError for a C that is not finite and where no eigenvalue is below.
    """
    if not bool(torch.isfinite(covariance).all()):
        raise EditError("The covariance of the keys is not finite: check the model for NaN.")
    values, vectors = torch.linalg.eigh(covariance.double())
    null = vectors[:, values < threshold]
    if null.shape[1] == 0:
        raise EditError(
            f"No eigenvalue of the keys' covariance is below {threshold:g}, the least is {float(values[0]):.2g}: "
            "there is no null space to edit in; raise the threshold."
        )
    return Weighting(null @ null.T / weight)


def rank_one(
    residual: Float[Tensor, " d_model"], direction: Float[Tensor, " d_ff"], key: Float[Tensor, " d_ff"]
) -> tuple[Float[Tensor, "d_model 1"], Float[Tensor, "1 d_ff"]]:
    """Factors of ΔW = r uᵀ / (kᵀu), so that ΔW k = r; raises EditError for a key that is zero."""
    scale = direction @ key
    if not bool(torch.isfinite(scale)) or abs(float(scale)) < 1e-12:
        raise EditError("The subject's key is zero: this layer reads nothing at the subject's last token.")
    return residual[:, None], (direction / scale)[None, :]

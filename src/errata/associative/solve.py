"""Linear systems of the closed-form editors, in float64."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import EditError


def whiten(
    covariance: Float[Tensor, "d_ff d_ff"] | None, keys: Float[Tensor, "facts d_ff"], ridge: float = 1e-3
) -> Float[Tensor, "facts d_ff"]:
    """(C + ridge · tr(C)/d_ff · I)⁻¹ k for every key; the keys themselves where there is no covariance."""
    if covariance is None:
        return keys.double()
    mean = covariance.diagonal().mean()
    loaded = covariance + ridge * mean * torch.eye(len(covariance), dtype=torch.float64)
    factor, failed = torch.linalg.cholesky_ex(loaded)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise EditError("The covariance of the keys is singular or not finite: use more tokens or a larger ridge.")
    return torch.cholesky_solve(keys.double().cpu().T, factor).T


def rank_one(
    residual: Float[Tensor, " d_model"], direction: Float[Tensor, " d_ff"], key: Float[Tensor, " d_ff"]
) -> tuple[Float[Tensor, "d_model 1"], Float[Tensor, "1 d_ff"]]:
    """Factors of ΔW = r uᵀ / (kᵀu), so that ΔW k = r."""
    scale = direction @ key
    if not bool(torch.isfinite(scale)) or abs(float(scale)) < 1e-12:
        raise EditError("The subject's key is zero: this layer reads nothing at the subject's last token.")
    return residual[:, None], (direction / scale)[None, :]

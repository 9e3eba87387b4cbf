"""W = round(W₀ + Σ ΔW_i): summed in order in float32 and rounded once; and whether what comes out is finite."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errata.deltas import WeightDelta
from errata.errors import UnsupportedModelError
from errata.model.parallel import local


@torch.no_grad()
def fold(base: Float[Tensor, "d_model d_ff"], deltas: Iterable[WeightDelta]) -> Float[Tensor, "d_model d_ff"]:
    """W = round(W₀ + Σ ΔW_i): summed in order in float32, rounded once; entries no delta touches keep their bits."""
    return rounded(base, add_deltas(torch.zeros(base.shape, dtype=torch.float32, device=base.device), deltas))


@torch.no_grad()
def add_deltas(total: Float[Tensor, "d_model d_ff"], deltas: Iterable[WeightDelta]) -> Float[Tensor, "d_model d_ff"]:
    """Σ ΔW_i, continued in place: `total` float32 holds the sum so far."""
    for delta in deltas:
        # Fresh copies lie alike in memory wherever a delta came from, so the product has the same bits each time.
        total += delta.left.to(total.device, copy=True) @ delta.right.to(total.device, copy=True)
    return total


@torch.no_grad()
def rounded(base: Float[Tensor, "d_model d_ff"], total: Float[Tensor, "d_model d_ff"]) -> Float[Tensor, "d_model d_ff"]:
    """round(W₀ + Σ ΔW_i) in W₀'s dtype; where the sum is zero, W₀ keeps its bits (a negative zero too)."""
    return torch.where(total == 0, base, (base.float() + total).to(base.dtype))


@torch.no_grad()
def spoilt(base: Float[Tensor, "d_model d_ff"], weight: Float[Tensor, "d_model d_ff"]) -> bool:
    """Whether an entry that was finite no longer is."""
    return bool((torch.isfinite(base) & ~torch.isfinite(weight)).any())


@torch.no_grad()
def require_finite(model: nn.Module, name: str) -> None:
    """Raise UnsupportedModelError for a model with NaN or infinite weights: what it answers is no answer."""
    for parameter, held in model.named_parameters():
        stored = local(held.detach())
        readable = stored.is_floating_point() and stored.itemsize >= 2 and not stored.is_meta
        if readable and not bool(torch.isfinite(stored).all()):
            raise UnsupportedModelError(
                f"{name} has NaN or infinite entries in {parameter}: load a sound checkpoint, another dtype, or undo "
                "what was written."
            )

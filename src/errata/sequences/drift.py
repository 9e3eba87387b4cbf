"""How far a sequence has moved the weights, layer by layer.

With W the present weight of a layer, W₀ the unedited one and D = W − W₀, both after rounding:

    norm ‖W‖_F     relative ‖D‖_F / ‖W₀‖_F     top σ_max(W)     growth σ_max(W) / σ_max(W₀)
    directions     the least k with Σ_{i≤k} σ_i² ≥ 0.95 Σ σ_i², σ_i the singular values of D; share = k / d_model
    cosine         |⟨A, B⟩_F| / (‖A‖_F ‖B‖_F), A an update since the last checkup, B one before: mean and maximum

σ_i² are the eigenvalues of D Dᵀ in float64. Of the updates at most the newest NEW and the last OLD before them count,
and fewer where their factors have more than COLUMNS columns together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit
from errata.ledger.compare import top_singular_value
from errata.model.view import ModelView

ENERGY = 0.95
NEW, OLD, COLUMNS = 50, 200, 2000


@dataclass(frozen=True, slots=True)
class Drift:
    """One layer's state; the cosines are None where there are no updates on one side."""

    layer: int
    norm: float
    relative: float
    top: float
    growth: float
    directions: int
    share: float
    cosine_mean: float | None
    cosine_max: float | None


@torch.no_grad()
def drift(view: ModelView, earlier: Sequence[Edit], newer: Sequence[Edit]) -> tuple[Drift, ...]:
    """Every layer that these edits touch; `newer` are the updates since the last checkup."""
    layers = sorted({delta.layer for edit in (*earlier, *newer) for delta in edit.deltas})
    return tuple(_layer(view, layer, cosines(layer, earlier, newer)) for layer in layers)


def _layer(view: ModelView, layer: int, overlap: Tensor | None) -> Drift:
    weight, base = view.weight(layer).float(), view.base_weight(layer).float()
    change = (weight - base).double()
    norm, moved, scale = (float(torch.linalg.vector_norm(matrix.double())) for matrix in (weight, change, base))
    energy = torch.linalg.eigvalsh(change @ change.T).flip(0).clamp_min(0)
    directions = int((energy.cumsum(0) < ENERGY * energy.sum()).sum()) + 1 if moved > 0 else 0
    top, first = top_singular_value(weight), top_singular_value(base)
    return Drift(
        layer=layer,
        norm=norm,
        relative=moved / scale if scale > 0 else float(moved > 0),
        top=top,
        growth=top / first if first > 0 else 1.0,
        directions=directions,
        share=directions / view.d_model,
        cosine_mean=None if overlap is None else float(overlap.mean()),
        cosine_max=None if overlap is None else float(overlap.max()),
    )


def cosines(layer: int, earlier: Sequence[Edit], newer: Sequence[Edit]) -> Float[Tensor, "newer earlier"] | None:
    """|cos| between the updates of one layer, from the factors: ⟨A, B⟩_F = Σ (leftᵀ_A left_B) ∘ (right_A rightᵀ_B)."""
    new, old = _updates(layer, newer, NEW), _updates(layer, earlier, OLD)
    if not new or not old:
        return None
    sizes = [left.shape[1] for left, _ in old]
    lefts, rights = torch.cat([left for left, _ in old], 1), torch.cat([right for _, right in old])
    rows = [
        torch.stack([part.sum() for part in ((left.T @ lefts) * (right @ rights.T)).split(sizes, dim=1)])
        for left, right in new
    ]
    norms = [torch.tensor([_norm(*update) for update in side]) for side in (new, old)]
    scale = norms[0][:, None] * norms[1]
    return (torch.stack(rows).double() / scale).abs().clamp_max(1)


def _updates(layer: int, edits: Sequence[Edit], most: int) -> list[tuple[Tensor, Tensor]]:
    """The newest edits' updates of a layer as (left, right), oldest first; those that change nothing left out."""
    found: list[tuple[Tensor, Tensor]] = []
    columns = 0
    for edit in reversed(edits):
        own = [delta for delta in edit.deltas if delta.layer == layer]
        if not own:
            continue
        update = torch.cat([delta.left for delta in own], 1), torch.cat([delta.right for delta in own])
        columns += update[0].shape[1]
        if len(found) == most or (found and columns > COLUMNS):
            break
        if _norm(*update) > 0:
            found.append(update)
    return found[::-1]


def _norm(left: Tensor, right: Tensor) -> float:
    left, right = left.double(), right.double()
    return float(((left.T @ left) * (right @ right.T)).sum().clamp_min(0).sqrt())

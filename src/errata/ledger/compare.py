"""What edits change, layer by layer: size, norms, and how two edits overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit
from errata.ledger.fold import changed_entries
from errata.model.rounding import fold
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class LayerChange:
    """How one layer's weights W differ from the unedited W₀, with dW = W − W₀ after rounding.

    `changed` of `size` entries have other bits; `norm` = ‖dW‖_F; `relative` = ‖dW‖_F / ‖W₀‖_F; `top` is the largest
    singular value of dW.
    """

    layer: int
    module: str
    changed: int
    size: int
    norm: float
    relative: float
    top: float


@dataclass(frozen=True, slots=True)
class LayerPair:
    """How two edits' ΔW, before rounding, compare in a layer both touch: cosine = ⟨A, B⟩_F / (‖A‖_F ‖B‖_F)."""

    layer: int
    module: str
    norm_a: float
    norm_b: float
    cosine: float


def present(view: ModelView) -> tuple[LayerChange, ...]:
    """Every layer whose present weights differ from the unedited ones."""
    return tuple(_changes(view, ((layer, view.weight(layer)) for layer in range(view.n_layers))))


def alone(view: ModelView, edit: Edit) -> tuple[LayerChange, ...]:
    """Every layer whose weights would differ from the unedited ones with this edit alone."""
    layers = sorted({delta.layer for delta in edit.deltas})
    return tuple(
        _changes(
            view,
            (
                (layer, fold(view.base_weight(layer).cpu(), [d for d in edit.deltas if d.layer == layer]))
                for layer in layers
            ),
        )
    )


def pair(a: Edit, b: Edit) -> tuple[LayerPair, ...]:
    """Every layer both edits touch, from the factors: ⟨A, B⟩_F = Σ (leftᵀ_A left_B) ∘ (right_A rightᵀ_B)."""
    found: list[LayerPair] = []
    for layer in sorted({d.layer for d in a.deltas} & {d.layer for d in b.deltas}):
        first, second = _factors(a, layer), _factors(b, layer)
        norm_a, norm_b = (max(_inner(f, f), 0.0) ** 0.5 for f in (first, second))
        scale = norm_a * norm_b
        cosine = max(-1.0, min(1.0, _inner(first, second) / scale)) if scale > 0 else 0.0
        module = next(d.module for d in a.deltas if d.layer == layer)
        found.append(LayerPair(layer, module, norm_a, norm_b, cosine))
    return tuple(found)


@torch.no_grad()
def _changes(view: ModelView, weights: Iterator[tuple[int, Tensor]]) -> Iterator[LayerChange]:
    for layer, weight in weights:
        base = view.base_weight(layer).to(weight.device)
        changed = changed_entries(weight, base)
        if changed:
            difference = weight.float() - base.float()
            norm, scale = (float(torch.linalg.vector_norm(t, dtype=torch.float64)) for t in (difference, base.float()))
            relative = norm / scale if scale > 0 else float("inf")
            module = view.structure.projections[layer].name
            yield LayerChange(layer, module, changed, weight.numel(), norm, relative, top_singular_value(difference))


def top_singular_value(matrix: Float[Tensor, "rows columns"], width: int = 8, most: int = 100) -> float:
    """σ₁ by block power iteration: Q ← orth(M B), B ← MᵀQ, until σ₁(B) stands still; exact for rank ≤ `width`.

    Departure from a full decomposition: a lower bound that is within about 1e-6 of σ₁, for a fraction of the time.
    """
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(matrix.shape[1], min(width, *matrix.shape), generator=generator).to(matrix.device)
    found = 0.0
    for _ in range(most):
        directions = torch.linalg.qr(matrix @ block).Q
        block = matrix.T @ directions
        last, found = found, float(torch.linalg.matrix_norm(block.double(), ord=2))
        if found <= last * (1 + 1e-9):
            break
    return found


def _factors(edit: Edit, layer: int) -> tuple[Tensor, Tensor]:
    """All of an edit's deltas in a layer as one: (left, right) in float64."""
    deltas = [delta for delta in edit.deltas if delta.layer == layer]
    return torch.cat([d.left for d in deltas], dim=1).double(), torch.cat([d.right for d in deltas]).double()


def _inner(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    return float(((a[0].T @ b[0]) * (a[1] @ b[1].T)).sum())

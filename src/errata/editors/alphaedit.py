"""AlphaEdit: MEMIT whose update is confined to directions that the model's own keys do not use.

    C = U S Uᵀ ,   P = QQᵀ ,   Q = the eigenvectors with S < threshold
    ΔW^l = R K₁ᵀP (K_pK_pᵀP + K₁K₁ᵀP + L₂I)⁻¹

so that ΔW^l K₀ = 0 for keys K₀ outside of the null space. K_p are the keys of all edits in the weights. Source: Fang et
al. 2025 (AlphaEdit), eqs. 11–13; threshold 2e-2 and L₂ = 10 for the models of the paper.

Departures: in a model without published settings the threshold is a share of C's mean eigenvalue and L₂ a share of
tr(C), since both are in the units of the keys; and those of errata.editors.memit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

from errata.associative.solve import Weighting, in_null_space
from errata.editors._linear import SpreadEditor, accumulated
from errata.editors._presets import preset
from errata.history import History
from errata.model.view import ModelView


@dataclass(frozen=True)
class AlphaEdit(SpreadEditor):
    """Null-space constrained editing.

    `threshold`  eigenvalues of C below it span the null space; None: the model's preset, or 0.3 · tr(C)/d_ff (ours)
    `l2`         L₂; None: the model's preset, or 0.05 · tr(C) (ours)
    """

    threshold: float | None = None
    l2: float | None = None

    @final
    def memory(self, view: ModelView, layer: int, history: History) -> Weighting:
        """Q(L₂I + QᵀK_pK_pᵀQ)⁻¹Qᵀ."""
        return accumulated(history, layer, self._null_space(view, layer), f"{self}")

    def _null_space(self, view: ModelView, layer: int) -> Weighting:
        """P / L₂, computed once a model and layer."""
        key = ("null space", layer, str(self))
        if key not in view.memo:
            covariance, known = self.covariance(view, layer), preset(view)
            trace = float(covariance.diagonal().sum())
            threshold = self.threshold or known.threshold or 0.3 * trace / view.d_ff
            view.memo[key] = in_null_space(covariance, threshold, self.l2 or known.l2 or 0.05 * trace)
        return cast(Weighting, view.memo[key])


METHOD = AlphaEdit

"""Aligned MEMIT (MEMIT_seq): MEMIT that keeps what all earlier edits wrote.

    ΔW^l = R K₁ᵀ (λC + K_pK_pᵀ + K₁K₁ᵀ)⁻¹        K_p the keys of all edits in the weights

The keys of an edit are kept with it, so that an undone edit's keys weigh no more. Sources: Meng et al. 2023 (MEMIT),
eqs. 14–20; Fang et al. 2025 (AlphaEdit), who name the accumulated form MEMIT_seq.

Departures: those of errata.editors.memit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from errata.associative.solve import Weighting
from errata.editors._linear import SpreadEditor, accumulated, default_lambda
from errata.history import History
from errata.model.view import ModelView


@dataclass(frozen=True)
class MemitAligned(SpreadEditor):
    """MEMIT with the keys of the edits before it.

    `lambda_c`  λ, what C weighs against the keys; None: the model's preset, or d_ff (ours)
    """

    lambda_c: float | None = None

    @final
    def memory(self, view: ModelView, layer: int, history: History) -> Weighting:
        """(λC + K_pK_pᵀ)⁻¹."""
        start = self.weighting(view, layer, self.lambda_c or default_lambda(view))
        return accumulated(history, layer, start, f"{self}")


METHOD = MemitAligned

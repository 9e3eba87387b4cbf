"""MEMIT: many facts at once, spread over several layers by least squares.

    z_i  = h_i^L + δ_i                           δ from errata.associative.values, at the last layer's output
    R^l  = (z − h^L now) / layers remaining      errata.associative.spread
    ΔW^l = R K₁ᵀ (λC + K₁K₁ᵀ)⁻¹                  K₁ the new facts' keys, C = E[k kᵀ]

Source: Meng et al. 2023 (MEMIT), eqs. 14–20, algorithm 1; λ 20000 for GPT-2 XL, 15000 for GPT-J and Llama.

Departures: in a model without published settings λ = d_ff, since kᵀC⁻¹k of a typical key is d_ff whatever
the model's units, and the published λ of GPT-J and Llama are near it; text the model samples itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from errata.associative.solve import Weighting
from errata.editors._linear import SpreadEditor, default_lambda
from errata.history import History
from errata.model.view import ModelView


@dataclass(frozen=True)
class Memit(SpreadEditor):
    """Mass-editing memory: least squares against what the model's text asks of the layer.

    `lambda_c`  λ, what C weighs against the new keys; None: the model's preset, or d_ff (ours)
    """

    lambda_c: float | None = None

    @final
    def memory(self, view: ModelView, layer: int, history: History) -> Weighting:
        """(λC)⁻¹."""
        return self.weighting(view, layer, self.lambda_c or default_lambda(view))


METHOD = Memit

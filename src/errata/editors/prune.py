"""PRUNE: damp the large singular values of all edits' sum, once, at the end of a sequence.

    ΔW = W_T − W₀ = Σ_i σ_i u_i v_iᵀ ,   σ̂_i = log_α(σ_i) − log_α(σ_max) + σ_max   where σ_i > σ_max, the largest of W₀
    W = W₀ + Σ_i σ̂_i u_i v_iᵀ

Source: Ma et al. 2024 (PRUNE), eq. 8. The edits themselves are the base editor's; the closing edit is the difference.

Departures: α is ours, the base is MEMIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import final

import torch

from errata.deltas import Edit, WeightDelta
from errata.editors._orthogonal import running_sum
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, editor
from errata.model.view import ModelView


@dataclass(frozen=True)
class Prune(Editor):
    """An editor whose sequence ends with its sum's singular values bounded.

    `base`   the editor of the sequence
    `alpha`  base of the logarithm; the larger, the harder the damping
    """

    base: Editor = field(default_factory=lambda: editor("memit"))
    alpha: float = 1.2

    @final
    def settled(self, view: ModelView) -> Prune:
        """With its base as it is for this model."""
        return replace(self, base=self.base.settled(view))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        found: Edit = self.base.edit(view, facts, history)
        return Computed(found.deltas, found.measured, found.state)

    @final
    def _close(self, view: ModelView, history: History) -> Computed:
        layers = sorted({delta.layer for edit in history for delta in edit.deltas})
        found = [self._damping(view, layer, history) for layer in layers]
        return Computed([delta for delta in found if delta is not None], {"alpha": self.alpha})

    def _damping(self, view: ModelView, layer: int, history: History) -> WeightDelta | None:
        """Σ (σ̂_i − σ_i) u_i v_iᵀ, over the singular values above W₀'s largest; None where there is none."""
        total = running_sum(view, (layer,), history)
        most = float(torch.linalg.matrix_norm(view.base_weight(layer).double().cpu(), ord=2))
        large = total.sizes > most
        if not bool(large.any()):
            return None
        sizes = total.sizes[large]
        damped = (sizes.log() - log(most)) / log(self.alpha) + most
        left = total.left[:, large] * (damped - sizes)
        return view.delta(layer, left.float(), total.right[:, large].T.float())


METHOD = Prune

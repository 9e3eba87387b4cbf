"""DeltaEdit: project δ off the running sum's dominant directions, but only where earlier edits speak at the new key.

    m_t = ‖ΔW_total k_t‖ ,   mean and deviation of m by EMA over the edits before
    δ ← (I − UUᵀ) δ after each step, U the leading left singular vectors of ΔW_total, where m_t is an outlier:
        m_t > mean + outlier · deviation

Source: DeltaEdit (2025): projection in the loop, outliers by EMA, at most a quarter of d_model directions.

Departures: the EMA's rate, the outlier's size and the energy rule for U are ours; for several layers m_t is that of the
last one, where δ is optimised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast, final

import torch
from torch import Tensor

from errata.associative.guard import Guard
from errata.associative.keys import mean_keys
from errata.deltas import Edit
from errata.editors._linear import LinearEditor
from errata.editors._orthogonal import running_sum
from errata.errors import InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, editor
from errata.model.view import ModelView

INTERFERENCE = "interference"


@dataclass(frozen=True, slots=True)
class Moments:
    """EMA of m and of m²; no mean before the first fact."""

    mean: float | None = None
    square: float = 0.0


@dataclass(frozen=True)
class DeltaEdit(Editor):
    """A closed-form editor that keeps superimposed updates apart.

    `base`      the editor that is wrapped: rome, memit, memit_aligned or alphaedit
    `energy`    share of Σσ² that U holds (ours)
    `rank_cap`  U has at most rank_cap · d_model columns (published: 0.25)
    `rate`      of the EMA (ours)
    `outlier`   deviations above the mean (ours)
    """

    base: Editor = field(default_factory=lambda: editor("rome"))
    energy: float = 0.95
    rank_cap: float = 0.25
    rate: float = 0.1
    outlier: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.base, LinearEditor):
            raise InputError(f"{self.name} cannot wrap {self.base.name}: choose rome, memit, memit_aligned, alphaedit.")

    @final
    def settled(self, view: ModelView) -> DeltaEdit:
        """With its base as it is for this model."""
        return replace(self, base=self.base.settled(view))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        base = cast(LinearEditor, self.base)
        layer = base.edited_layers(view)[-1]
        total = running_sum(view, (layer,), history)
        keys = mean_keys(view, [layer], facts, base.contexts(view))[layer]
        found = ((keys @ total.right) * total.sizes).norm(dim=-1)  # ‖U diag(σ) Vᵀk‖
        limit = self._limit(history)
        none = total.left[:, :0]
        guard = Guard(
            history=total.left[:, : total.leading(self.energy, self.rank_cap)],
            implicit=none,
            keys=total.right[:, :0],
            in_loop=True,
            only=found > limit,
        )
        computed = base.compute(view, facts, history, {layer: guard})
        measured = {
            **computed.measured,
            "interference": found.tolist(),
            "projected": int(cast(Tensor, guard.only).sum()),
        }
        seen = found.float() if len(history) else found[:0].float()
        return Computed(computed.deltas, measured, {**computed.state, INTERFERENCE: seen})

    def _limit(self, history: History) -> float:
        """mean + outlier · deviation; no outlier while there is no deviation."""
        moments = history.fold(("interference", self.rate), Moments, self._step)
        if moments.mean is None or moments.square <= moments.mean**2:
            return float("inf")
        return moments.mean + self.outlier * (moments.square - moments.mean**2) ** 0.5

    def _step(self, moments: Moments, edit: Edit) -> Moments:
        """EMA of m and of m² over the facts of an edit, from the first fact on."""
        for value in edit.state.get(INTERFERENCE, torch.zeros(0)).double().flatten().tolist():
            if moments.mean is None:
                moments = Moments(value, value**2)
            else:
                mean = moments.mean + self.rate * (value - moments.mean)
                moments = Moments(mean, moments.square + self.rate * (value**2 - moments.square))
        return moments


METHOD = DeltaEdit

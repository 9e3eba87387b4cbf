"""RECT: of an update, keep only the entries that change their weight most in proportion.

    ΔW_ij ← ΔW_ij where |ΔW_ij / W_ij| is among the largest `keep`, else 0

Source: Gu et al. 2024 (RECT), eq. 4; 40 % kept.

Departures: none. The result has no low rank: its delta is kept as I · ΔW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch

from errata.deltas import WeightDelta
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, editor
from errata.model.view import ModelView


@dataclass(frozen=True)
class Rect(Editor):
    """An editor whose updates are thinned out by their relative change.

    `base`  the editor whose update it is
    `keep`  share of the entries kept (published: 0.4)
    """

    base: Editor = field(default_factory=lambda: editor("memit"))
    keep: float = 0.4

    @final
    def settled(self, view: ModelView) -> Rect:
        """With its base as it is for this model."""
        return replace(self, base=self.base.settled(view))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        found = self.base.edit(view, facts, history)
        return Computed([self._thinned(view, delta) for delta in found.deltas], found.measured, found.state)

    def _thinned(self, view: ModelView, delta: WeightDelta) -> WeightDelta:
        dense = delta.dense()
        weight = view.weight(delta.layer).float().cpu()
        change = torch.where(weight == 0, torch.full_like(dense, torch.inf), (dense / weight).abs()).flatten()
        kept = torch.zeros_like(change)
        kept[change.topk(round(self.keep * change.numel())).indices] = 1.0
        return view.delta(delta.layer, torch.eye(len(dense)), dense * kept.view_as(dense))


METHOD = Rect

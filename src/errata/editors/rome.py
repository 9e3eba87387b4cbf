"""ROME, and its consistent form R-ROME: a rank-one update that makes one layer's memory answer anew.

    k* = mean over contexts of the value projection's input at the subject's last token
    u  = C⁻¹ k*                                  C = E[k kᵀ]
    v* = W k* + δ*                               δ* from errata.associative.values
    ΔW = (v* − W k*) uᵀ / (k*ᵀ u)

R-ROME uses the averaged k* in all three places. The original takes the bare prompt's key k₀ in the last line,
ΔW = (v* − W k₀) uᵀ / (k₀ᵀ u), which is what makes some of its edits disable a model.

Sources: Meng et al. 2022 (ROME, eqs. 2–4); Gupta et al. 2024 (R-ROME).

Departures: C comes from text the model samples itself, with a small ridge; where no settings are published there are
one or two sampled contexts instead of twenty, more steps and a higher rate (errata.editors._presets). Several facts
are optimised together and folded in one after the other, each on the memory that the ones before it left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from errata.associative.guard import Guard
from errata.associative.keys import mean_keys
from errata.associative.solve import rank_one
from errata.associative.values import optimise_values
from errata.editors._linear import LinearEditor, checked_layers
from errata.editors._presets import preset
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, require_targets
from errata.model.view import ModelView


@dataclass(frozen=True)
class Rome(LinearEditor):
    """Rank-one model editing at one layer.

    `layer`       edited layer; None: the model's preset, or a fifth of its depth (see `errata layers`)
    `consistent`  R-ROME: k* in all three places; False: ROME as first published
    """

    layer: int | None = None
    consistent: bool = True

    @final
    def settled(self, view: ModelView) -> Rome:
        """With its layer, contexts and optimisation as they are for this model."""
        (layer,), values = self.edited_layers(view), self.values or preset(view).rome
        return replace(self, layer=layer, values=values, context_lengths=self.context_tokens(view))

    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The one layer it writes to."""
        return checked_layers(view, (preset(view).one if self.layer is None else self.layer,))

    @final
    def compute(
        self, view: ModelView, facts: Sequence[Fact], history: History, guards: Mapping[int, Guard]
    ) -> Computed:
        """δ* of all facts together, then one rank-one update a fact."""
        (layer,) = self.edited_layers(view)
        contexts, guard, values = self.contexts(view), guards.get(layer), self.values or preset(view).rome
        keys = mean_keys(view, [layer], facts, contexts)[layer]
        found = optimise_values(view, layer, facts, require_targets(facts), contexts, values, guard)
        directions = self.weighting(view, layer).directions(keys)
        written, residuals = self._written(view, layer, facts, keys, found.delta.double().cpu())
        lefts: list[Tensor] = []
        rights: list[Tensor] = []
        for residual, direction, key in zip(residuals, directions, written, strict=True):
            known = [old * (row[0] @ key) for old, row in zip(lefts, rights, strict=True)]
            gained = residual - torch.cat(known, dim=1).sum(1) if known else residual
            left, right = rank_one(gained, direction, key)
            lefts.append(left if guard is None else guard.left(left))
            rights.append(right if guard is None else guard.right(right))
        update = view.delta(layer, torch.cat(lefts, dim=1).float(), torch.cat(rights).float())
        measured = {"nll": list(found.nll), "greedy": list(found.greedy), "value_norm": list(found.norm)}
        return Computed([update], {"layer": layer, **measured})

    def _written(
        self, view: ModelView, layer: int, facts: Sequence[Fact], keys: Tensor, delta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The keys to write at, and what W k must gain there: k* and δ*, or k₀ and v* − W k₀."""
        if self.consistent:
            return keys, delta
        bare = mean_keys(view, [layer], facts, [""])[layer]
        return bare, delta + (keys - bare) @ view.weight(layer).double().cpu().T


METHOD = Rome

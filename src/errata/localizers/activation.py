"""Neurons by how active they are, a control: no gradient, no answer.

    score_i^(l) = mean over positions t of |k_{t,i}^(l)|

k `[d_ff]` is the value projection's input. Keep the top share p of all neurons, one threshold for all layers.
Source: none of its own; a baseline of Dai et al. 2022 (Knowledge Neurons, §4).

Departures: Dai et al. read k at the [MASK]; here, at the positions that predict the answer. The magnitude is ours
(gated neurons have either sign).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from errata.facts import Fact
from errata.localizers._asked import Row, answers_of, rows_of, watched
from errata.localizers._selection import top_share
from errata.methods import Localizer, settings_of
from errata.model.hooks import capture_inputs, frozen
from errata.model.view import ModelView
from errata.neurons import Attribution


@dataclass(frozen=True)
class Activation(Localizer):
    """The most active neurons.

    `share`      p, share of all neurons to keep
    `positions`  answer: those that predict the answer's tokens; subject: the subject's last; all
    `magnitude`  score |k| rather than k
    """

    share: float = 0.03
    positions: str = "answer"
    magnitude: bool = True

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Activations `[layers, d_ff]` for each fact; raises InputError for a setting that cannot be used."""
        answers = answers_of(view, facts)
        found: list[Attribution] = []
        for row, answer in zip(watched(rows_of(view, facts, answers)), answers, strict=True):
            scores = self._scores(view, row)
            chosen = top_share(scores, self.share)
            found.append(Attribution(scores, None, chosen, self.name, "activation", answer, settings_of(self)))
        return found

    @torch.no_grad()
    def _scores(self, view: ModelView, row: Row) -> torch.Tensor:
        at, ids = list(row.positions(self.positions)), torch.tensor([row.ids], device=view.device)
        modules = [projection.module for projection in view.structure.projections]
        with frozen(view.model), capture_inputs(modules) as seen:
            view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        keys = [view.ranks.part(seen[layer].reshape(len(row.ids), -1))[at].float() for layer in range(view.n_layers)]
        means = [(key.abs() if self.magnitude else key).mean(0).cpu() for key in keys]
        return view.ranks.whole(torch.stack(means))


METHOD = Activation

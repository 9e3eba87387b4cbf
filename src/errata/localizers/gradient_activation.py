"""Gradient times activation: the first-order effect of every neuron on an answer's probability, without a path.

    score_i^(l) = Σ_t k_{t,i} ∂f/∂k_{t,i}  = Σ_t k_{t,i} (Wᵀ ∂f/∂v_t)_i         f = Σ_j objective(log p(y_j | x, y_<j))
    `product=False`:  |Σ_t ∂f/∂k_{t,i}|

over positions t; one pass forward and back for all layers. It is the end, α = 1, of the path that integrated gradients
follow. Keep the top share p of all neurons. Source: gradient × input, Shrikumar et al. 2016 (Not Just a Black Box),
on neurons.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from errata.facts import Fact
from errata.localizers._asked import attributed_to, rows_of, watched
from errata.localizers._selection import top_share
from errata.localizers._slopes import densities, gradients
from errata.methods import Localizer, settings_of
from errata.model.scoring import objective
from errata.model.view import ModelView
from errata.neurons import Attribution


@dataclass(frozen=True)
class GradientActivation(Localizer):
    """Gradient times activation of an answer's probability, or the gradient's magnitude.

    `share`       p, share of all neurons to keep
    `attributed`  the fact's answer, the model's own where none is given; or its new target
    `positions`   answer: those that predict the answer's tokens; subject: the subject's last; all
    `product`     gradient × activation; else |gradient|
    `objective`   probability or log_probability, in nats
    """

    share: float = 0.03
    attributed: str = "answer"
    positions: str = "answer"
    product: bool = True
    objective: str = "probability"

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Scores `[layers, d_ff]` for each fact; raises InputError for a setting that cannot be used."""
        value, answers = objective(self.objective), attributed_to(view, facts, self.attributed)
        found: list[Attribution] = []
        for row, answer in zip(watched(rows_of(view, facts, answers)), answers, strict=True):
            at = row.positions(self.positions)
            if self.product:
                own = densities(view, row, [(None, 1.0)], value, at)[1][0]
            else:
                own = gradients(view, row, value, at).abs()
            scores = view.ranks.whole(own).float()
            chosen = top_share(scores, self.share)
            found.append(Attribution(scores, None, chosen, self.name, self.objective, answer, settings_of(self)))
        return found


METHOD = GradientActivation

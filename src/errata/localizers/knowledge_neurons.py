"""Knowledge neurons: integrated gradients on feed-forward neurons at the last prompt position.

    P_x(ŵ)  = p(y* | x, w = ŵ)                                                                     (1)
    Attr(w) = w̄ ∫₀¹ ∂P_x(αw̄)/∂w dα  ≈  w̄ Σ_j weight_j ∂P_x(α_j w̄)/∂w                              (2, 3)
    keep the neurons with Attr ≥ t · max over all layers and neurons

w is one layer's post-activation neurons, the value projection's input, all scaled together. Sources: Dai et al. 2022
(Knowledge Neurons, eqs. 2–4); Wu et al. 2025 (LAND, eqs. 1–3).

Departures: Gauss–Legendre instead of the right Riemann sum by default (`rule="riemann-right"` is the papers', with
their 20 points). An answer of several tokens: each is scored at its own position behind the gold prefix, and the
scores add up. Without a given answer, the model's own greedy answer is attributed. A model with a [MASK] is asked
there; one token fills it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._asked import answers_of
from errata.localizers._paths import path_scores
from errata.localizers._plain import plain_scores
from errata.localizers._quadrature import quadrature
from errata.methods import Localizer, settings_of
from errata.model.jobs import jobs_of
from errata.model.scoring import objective
from errata.model.view import ModelView
from errata.model.ways import way_of
from errata.neurons import Attribution, NeuronSet

# By rule: points a layer, and the completeness gap above which points are added.
DEFAULTS = {"riemann-right": (20, math.inf), "gauss-legendre": (5, 0.01)}


@dataclass(frozen=True)
class KnowledgeNeurons(Localizer):
    """Integrated gradients of an answer's probability along each layer's neurons.

    `rule`       quadrature: gauss-legendre or riemann-right
    `steps`      m, path points a layer; by default the papers' 20 for riemann-right, 5 for gauss-legendre
    `tolerance`  completeness gap allowed in a layer, as a share of the largest change of any layer; points are added
                 where it is larger. By default 0.01 for gauss-legendre; inf adds none, and nor does riemann-right
    `threshold`  t, share of the highest score a neuron must reach (Dai: 0.2; LAND: 0.3 GPT-2, 0.2 Llama)
    `objective`  probability (the papers) or log_probability, in nats
    `algorithm`  growing (one forward, one backward) or plain (straight from the equations: for comparison, and for a
                 model in which nothing faster gives the same numbers)
    `memory`     bytes a pass may take; by default 1 GiB, or half of what is free on a GPU
    """

    rule: str = "gauss-legendre"
    steps: int | None = None
    tolerance: float | None = None
    threshold: float = 0.2
    objective: str = "probability"
    algorithm: str = "growing"
    memory: int | None = None

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Attribute each fact's answer; scores `[layers, d_ff]` add up to f(x) − f(0) in every layer.

        Raises InputError for a setting that cannot be used, TokenError for a fact that no clean token boundary
        separates from its answer.
        """
        self._check()
        if not facts:
            return []
        rule, value = quadrature(self.rule, self._steps), objective(self.objective)
        given = answers_of(view, facts)
        jobs = jobs_of(view, facts, given)
        if self.algorithm == "plain" or way_of(view) is None:
            found = plain_scores(view, jobs.ids, jobs.targets, rule, value, at=jobs.at)
        else:
            found = path_scores(view, jobs.ids, jobs.targets, rule, value, self.memory, self._tolerance, at=jobs.at)
        owner = torch.tensor(jobs.owner)
        own = torch.zeros(len(facts), view.n_layers, len(view.neurons)).index_add_(0, owner, found.scores.float())
        change = torch.zeros(len(facts), view.n_layers).index_add_(0, owner, found.change.float())
        return [self._attribution(view.ranks.whole(own[i]), change[i], answer) for i, answer in enumerate(given)]

    @property
    def _steps(self) -> int:
        return DEFAULTS[self.rule][0] if self.steps is None else self.steps

    @property
    def _tolerance(self) -> float:
        default = math.inf if self.algorithm == "plain" else DEFAULTS[self.rule][1]
        return default if self.tolerance is None else self.tolerance

    def _check(self) -> None:
        quadrature(self.rule, 1)
        objective(self.objective)
        if not 0 < self.threshold <= 1:
            raise InputError(f"The threshold {self.threshold} is outside (0, 1]: it is a share of the highest score.")
        if not self._tolerance > 0:
            raise InputError(f"The tolerance {self.tolerance} is not above 0: it is a share of the largest change.")
        if self._tolerance < math.inf and (self.algorithm == "plain" or self.rule == "riemann-right"):
            raise InputError("A tolerance adds points to gauss-legendre in the growing algorithm: give it with those.")
        if self.algorithm not in ("growing", "plain"):
            raise InputError(f"There is no algorithm {self.algorithm!r}: choose growing or plain.")

    def _attribution(self, scores: torch.Tensor, change: torch.Tensor, answer: str) -> Attribution:
        tolerance = self._tolerance if self._tolerance < math.inf else "inf"  # JSON has no infinity
        gap = float((scores.double().sum(-1) - change.double()).abs().max())
        return Attribution(
            scores=scores,
            change=change,
            neurons=NeuronSet.above(scores, self.threshold, gap),
            method=self.name,
            objective=self.objective,
            answer=answer,
            settings={**settings_of(self), "steps": self._steps, "tolerance": tolerance},
        )


METHOD = KnowledgeNeurons

"""KNE: the neurons, over all layers, whose weights an answer's probability is due to.

    Attr(w) = w · Σ_j ∫₀¹ ∂P(y_j | x, y_<j; αw)/∂w dα            w: a neuron's weights; y_1 … y_s: the answer's tokens
    E       = { (l, i) : Attr_i^(l) > Quantile_{1−p} of all }     one threshold for all layers

A neuron's weights are its value vector, column i of W `[d_model, d_ff]`. Scaling it by α is scaling the neuron's
activation k_{t,i} by α at all positions t, so one backward pass a point scores a whole layer:

    Attr_i = Σ_t ∫₀¹ k_{t,i} (Wᵀ ∂P/∂v_t)_i dα,        Σ_i Attr_i = P(W) − P(0) of a layer

Source: Li et al. 2024 (Knowledge Neuronal Ensemble, arXiv 2412.20637), of which not all text was to be had. [P] is its
own text, [S] what two independent summaries agree on: a gradient attribution of every parameter in every layer [P];
integrated from a zero baseline and summed over the answer's tokens, as a finite sum [S]; one global quantile [S].

Departures and choices, all ours: y is the new target (or the old answer); each token of it stands behind the gold
prefix; the neurons of one layer are scaled together, layer by layer (or all layers at once); a neuron is its value
vector (or its key and gate rows too); p = 0.03; Gauss–Legendre, with points added where completeness is missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._asked import Row, attributed_to, rows_of, watched
from errata.localizers._integral import integrate
from errata.localizers._quadrature import quadrature
from errata.localizers._selection import top_share
from errata.localizers._slopes import densities
from errata.methods import Localizer, settings_of
from errata.model.scoring import objective
from errata.model.view import ModelView
from errata.neurons import Attribution

# By rule: points of a path, and the completeness gap above which points are added.
DEFAULTS = {"riemann-right": (20, math.inf), "gauss-legendre": (5, 0.01)}


@dataclass(frozen=True)
class Ensemble(Localizer):
    """Integrated gradients of an answer's probability along the neurons' weights.

    `share`       p, share of all neurons to keep (ours: 0.03)
    `layers`      the layers that E is chosen in; None: all
    `attributed`  y: the fact's new target, or its old answer, the model's own where none is given (ours: target)
    `path`        layer: one layer at a time; all: all layers together, one completeness gap for all (ours: layer)
    `weights`     values: value vectors; neurons: the rows of the key and gate maps too (ours: values)
    `pooled`      facts of one call share one ensemble, chosen by the sum of their scores
    `rule`        quadrature: gauss-legendre or riemann-right
    `steps`       m, path points; by default 5 for gauss-legendre, 20 for riemann-right
    `tolerance`   completeness gap allowed in a path, as a share of the largest change; points are added where it is
                  larger. By default 0.01 for gauss-legendre; inf adds none, and nor does riemann-right
    `objective`   probability [S] or log_probability, in nats
    `copies`      copies of the prompt in one pass: memory grows with it, the result does not depend on it
    """

    share: float = 0.03
    layers: tuple[int, ...] | None = None
    attributed: str = "target"
    path: str = "layer"
    weights: str = "values"
    pooled: bool = False
    rule: str = "gauss-legendre"
    steps: int | None = None
    tolerance: float | None = None
    objective: str = "probability"
    copies: int = 64

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Attribute each fact's target; scores `[layers, d_ff]` add up to P(W) − P(0) in every layer.

        Raises InputError for a setting that cannot be used and for a fact without target, TokenError for a fact that
        no clean token boundary separates from its answer.
        """
        self._check()
        if not facts:
            return []
        answers = attributed_to(view, facts, self.attributed)
        found = [self._integrals(view, row) for row in watched(rows_of(view, facts, answers))]
        if self.pooled:
            total = tuple(torch.stack(parts).sum(0) for parts in zip(*found, strict=True))
            found = [(total[0], total[1])] * len(facts)
        return [self._attribution(*one, answer) for one, answer in zip(found, answers, strict=True)]

    def _integrals(self, view: ModelView, row: Row) -> tuple[Tensor, Tensor]:
        """Scores `[layers, d_ff]` and changes, one a path."""
        layers: list[int | None] = list(range(view.n_layers)) if self.path == "layer" else [None]
        value = objective(self.objective)

        def evaluate(points: Sequence[tuple[int, float]]) -> tuple[list[float], Tensor]:
            passes = [
                densities(
                    view,
                    row,
                    [(layers[path], alpha) for path, alpha in points[at : at + self.copies]],
                    value,
                    with_keys=self.weights == "neurons",
                )
                for at in range(0, len(points), self.copies)
            ]
            return [f for values, _ in passes for f in values], torch.cat([slopes for _, slopes in passes])

        rule, eps = quadrature(self.rule, self._steps), torch.finfo(view.dtype).eps
        scores, change = integrate(evaluate, len(layers), rule, self._tolerance, eps)
        return view.ranks.whole(scores.flatten(0, 1)).float(), torch.tensor(change, dtype=torch.float32)

    @property
    def _steps(self) -> int:
        return DEFAULTS[self.rule][0] if self.steps is None else self.steps

    @property
    def _tolerance(self) -> float:
        return DEFAULTS[self.rule][1] if self.tolerance is None else self.tolerance

    def _check(self) -> None:
        quadrature(self.rule, 1)
        if self.path not in ("layer", "all"):
            raise InputError(f"There is no path {self.path!r}: choose layer or all.")
        if self.weights not in ("values", "neurons"):
            raise InputError(f"There are no weights {self.weights!r}: choose values or neurons.")
        if not self._tolerance > 0:
            raise InputError(f"The tolerance {self.tolerance} is not above 0: it is a share of the largest change.")
        if self._tolerance < math.inf and self.rule == "riemann-right":
            raise InputError("A tolerance adds points to gauss-legendre: give it with that rule.")
        if self.copies < 1:
            raise InputError(f"{self.copies} copies of the prompt are none: give at least 1.")

    def _attribution(self, scores: Tensor, change: Tensor, answer: str) -> Attribution:
        tolerance = self._tolerance if self._tolerance < math.inf else "inf"  # JSON has no infinity
        by_layer = self.path == "layer"
        sums = scores.double().sum(-1) if by_layer else scores.double().sum()
        return Attribution(
            scores=scores,
            change=change if by_layer else None,
            neurons=top_share(scores, self.share, float((sums - change.double()).abs().max()), self.layers),
            method=self.name,
            objective=self.objective,
            answer=answer,
            settings={**settings_of(self), "steps": self._steps, "tolerance": tolerance},
            total=None if by_layer else float(change[0]),
        )


METHOD = Ensemble

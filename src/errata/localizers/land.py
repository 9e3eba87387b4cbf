"""LAND: one phrasing's neurons, completed by a trained detector to those that the fact's phrasings share.

    x_i = 1 where Attr_i ≥ t · max over all layers and neurons, else 0        knowledge neurons of this phrasing
    o_l = D_lᵀ E_lᵀ x_l                                                       the detector, layer by layer
    keep the neurons with o ≥ P

Scores are o: about the number of the fact's ten phrasings that find a neuron. Source: Wu et al. 2025 (LAND, §4).

Departures: P, which the paper does not give, is chosen on held-out facts in training (see errata.detectors.land); the
integral is taken by Gauss–Legendre with a tolerance (see errata.localizers.knowledge_neurons).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from errata.detectors import land
from errata.facts import Fact
from errata.localizers._trained import detector_for, identified
from errata.methods import Localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class Land(Localizer):
    """The neurons a LAND detector answers for a phrasing.

    `detector`   a file that `errata train land` wrote; by default the one shipped with an embedded model
    `threshold`  P, the output a neuron must reach; by default the detector's own
    """

    detector: str | None = None
    threshold: float | None = None

    @torch.no_grad()
    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The detector's output for each fact's prompt `[layers, d_ff]`; raises InputError where it has none to use."""
        trained = detector_for(view, land.KIND, self.detector)
        if not facts:
            return []
        with torch.enable_grad():
            found, strengths = identified(view, facts)
        least = float(trained.answer["threshold"] if self.threshold is None else self.threshold)
        answers = land.outputs(trained.weights, strengths.above(trained.threshold))
        return [
            Attribution(
                scores=scores.clone(),
                change=None,
                neurons=NeuronSet.at_least(scores, least, one.gap),
                method=self.name,
                objective=one.objective,
                answer=one.answer,
                settings={**settings_of(self), "threshold": least, "input_threshold": trained.threshold},
            )
            for one, scores in zip(found, answers, strict=True)
        ]


METHOD = Land

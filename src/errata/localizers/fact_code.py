"""Fact code (ours): the neurons that phrasings of the fact share and the relation's other facts do not.

    a_l = w_l x_l / ‖x_l‖,   x_l ≥ 0 the attributions of layer l for this phrasing
    c   = Σ_l E_lᵀ a_l / ‖Σ_l E_lᵀ a_l‖
    ĉ   = Σ_j softmax_j(β c·m_j) m_j / ‖…‖      m_j: codes of the training facts
    s_l = D_lᵀ ĉ
    keep the `size` neurons with the highest s

Scores are s. How E, D, w and m are found, errata.detectors.fact_code says. Source: ours; no paper has it.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from errata.detectors import fact_code
from errata.facts import Fact
from errata.localizers._trained import detector_for, identified
from errata.methods import Localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class FactCode(Localizer):
    """The neurons of a fact's code.

    `detector`  a file that `errata train fact_code` wrote; by default the one shipped with an embedded model
    `size`      neurons to keep; by default the detector's own number
    """

    detector: str | None = None
    size: int | None = None

    @torch.no_grad()
    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The detector's output for each fact's prompt `[layers, d_ff]`; raises InputError where it has none to use."""
        trained = detector_for(view, fact_code.KIND, self.detector)
        if not facts:
            return []
        with torch.enable_grad():
            found, strengths = identified(view, facts)
        size = int(trained.answer["size"] if self.size is None else self.size)
        layers = torch.tensor(trained.answer["layers"])
        sharpness = float(trained.answer["sharpness"])
        answers = fact_code.outputs(trained.weights, fact_code.inputs(strengths, layers), trained.memory, sharpness)
        return [
            Attribution(
                scores=scores.clone(),
                change=None,
                neurons=NeuronSet.top(scores, size, one.gap),
                method=self.name,
                objective=one.objective,
                answer=one.answer,
                settings={**settings_of(self), "size": size},
            )
            for one, scores in zip(found, answers, strict=True)
        ]


METHOD = FactCode

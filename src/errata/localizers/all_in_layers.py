"""All neurons of some layers, a control: what fine-tuning a layer's whole value projection changes.

    score_i^(l) = 1 for every neuron of the chosen layers, 0 elsewhere

The layers are named, or those in which another localizer finds a neuron. Source: none of its own; FT-M
trains all of one layer's value projection.

Departures: none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._asked import answers_of
from errata.methods import Localizer, localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class AllInLayers(Localizer):
    """Every neuron of the layers.

    `layers`     the layers; by default those of the localizer's neurons, fact by fact
    `localizer`  finds the layers where none are named
    """

    layers: tuple[int, ...] | None = None
    localizer: Localizer = field(default_factory=lambda: localizer("knowledge_neurons"))

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """1 or 0 `[layers, d_ff]`; raises InputError for a layer that the model does not have."""
        if self.layers is not None:
            outside = [layer for layer in self.layers if not 0 <= layer < view.n_layers]
            if outside or not self.layers:
                raise InputError(
                    f"The layers {list(self.layers)} are not layers of {view.name}: name at least one from 0 to "
                    f"{view.n_layers - 1}."
                )
            pairs = [(answer, set(self.layers)) for answer in answers_of(view, facts)]
        else:
            found = self.localizer.attribute(view, facts)
            pairs = [(one.answer, {layer for layer, _ in one.neurons}) for one in found]
        return [self._attribution(view, answer, layers) for answer, layers in pairs]

    def _attribution(self, view: ModelView, answer: str, layers: set[int]) -> Attribution:
        scores = torch.zeros(view.n_layers, view.d_ff)
        scores[sorted(layers)] = 1.0
        chosen = NeuronSet.at_least(scores, 1.0)
        named: dict[str, object] = {**settings_of(self), "layers": sorted(layers)}
        return Attribution(scores, None, chosen, self.name, "membership", answer, settings=named)


METHOD = AllInLayers

"""Random neurons, a control: as many as another localizer finds, in the same layers.

    score = the other localizer's scores, those of each layer in random order
    E     = the neurons that the other's ensemble becomes by the same shuffle
    apart   E is drawn among the neurons that the other's ensemble does not hold, as long as the layer has them

Source: none of its own; TNF-DA (AAAI 2025) is compared with random neurons of equal number. Equal numbers in every
layer are ours.

Departures: none. A fact's shuffle depends on the seed and on the fact, not on the facts beside it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from errata.facts import Fact
from errata.localizers._shuffle import order_of
from errata.methods import Localizer, localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet


@dataclass(frozen=True)
class Random(Localizer):
    """Neurons at random, matched in number and layer to those of a localizer.

    `localizer`  whose count and layers are matched
    `seed`       of the shuffle
    `apart`      other neurons than the localizer's, as long as the layer has them
    """

    localizer: Localizer = field(default_factory=lambda: localizer("knowledge_neurons"))
    seed: int = 0
    apart: bool = False

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The localizer's scores `[layers, d_ff]`, shuffled within each layer."""
        return [
            self._shuffled(fact, one) for fact, one in zip(facts, self.localizer.attribute(view, facts), strict=True)
        ]

    def _shuffled(self, fact: Fact, found: Attribution) -> Attribution:
        chance = random.Random(f"{self.seed} {fact.text} {found.answer}")
        order = order_of(found.scores.shape, torch.Generator().manual_seed(chance.getrandbits(63)))
        members = torch.zeros(found.scores.shape, dtype=torch.bool)
        for layer, index in found.neurons:
            members[layer, index] = True
        if self.apart:
            order = _apart(order, members)
        moved = members.gather(-1, order).nonzero().tolist()
        return Attribution(
            scores=found.scores.gather(-1, order),
            change=None,
            neurons=NeuronSet(len(members), members.shape[1], frozenset((layer, index) for layer, index in moved)),
            method=self.name,
            objective=found.objective,
            answer=found.answer,
            settings=settings_of(self),
        )


def _apart(order: Int[Tensor, "layers d_ff"], members: Bool[Tensor, "layers d_ff"]) -> Int[Tensor, "layers d_ff"]:
    """An order that brings members to the places of others, in their own only where those do not suffice."""
    others_first = members.gather(-1, order).int().argsort(dim=-1, stable=True)
    members_first = (~members).int().argsort(dim=-1, stable=True)
    return torch.empty_like(order).scatter(-1, order.gather(-1, others_first), members_first)


METHOD = Random

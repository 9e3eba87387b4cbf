"""KN-refined: the knowledge neurons that enough phrasings of one fact share.

    share_i = (number of the fact's phrasings whose knowledge neurons include i) / (number of its phrasings)
    keep the neurons with share_i ≥ p

p begins at 0.7; while it leaves more than 5 neurons it rises by 0.05, while it leaves fewer than 2 it falls by 0.05
(`share=None`), or p is fixed. Source: Dai et al. 2022 (Knowledge Neurons, the refining strategy); LAND compares with it
as KN-refined.

Departures: the facts given in one call that have the same subject, relation and answer are one fact's phrasings, and
each of them gets the same neurons; a fact in a single phrasing keeps that phrasing's own. Where rising leaves fewer
than 2 at once, the larger set of the two stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.facts import Fact
from errata.methods import Localizer, localizer, settings_of
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet

FEWEST, MOST = 2, 5
BEGIN, STEP = 0.7, 0.05


@dataclass(frozen=True)
class KnRefined(Localizer):
    """Knowledge neurons shared by a fact's phrasings.

    `localizer`  finds each phrasing's neurons
    `share`      p, the share of phrasings a neuron must be found by; None adapts it to 2–5 neurons
    """

    localizer: Localizer = field(default_factory=lambda: localizer("knowledge_neurons"))
    share: float | None = None

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """The share of phrasings that find each neuron `[layers, d_ff]`, the same for all phrasings of a fact.

        Raises InputError for a `share` outside (0, 1].
        """
        if self.share is not None and not 0 < self.share <= 1:
            raise InputError(f"The share {self.share} is outside (0, 1]: it is a share of the phrasings.")
        found = self.localizer.attribute(view, facts)
        groups: dict[tuple[str, str | None, str], list[int]] = defaultdict(list)
        for index, (fact, one) in enumerate(zip(facts, found, strict=True)):
            groups[fact.subject, fact.relation, one.answer].append(index)
        refined: dict[int, Attribution] = {}
        for group in groups.values():
            shares = shares_of([found[index].neurons for index in group])
            chosen = refine(shares, self.share)
            for index in group:
                refined[index] = Attribution(
                    scores=shares,
                    change=None,
                    neurons=NeuronSet.at_least(shares, chosen, found[index].gap),
                    method=self.name,
                    objective=found[index].objective,
                    answer=found[index].answer,
                    settings={**settings_of(self), "share": chosen, "phrasings": len(group)},
                )
        return [refined[index] for index in range(len(facts))]


def shares_of(sets: Sequence[NeuronSet]) -> Float[Tensor, "layers d_ff"]:
    """The share of the sets that hold each neuron."""
    counts = torch.zeros(sets[0].n_layers, sets[0].d_ff)
    for chosen in sets:
        for layer, index in chosen:
            counts[layer, index] += 1
    return counts / len(sets)


def refine(shares: Float[Tensor, "layers d_ff"], fixed: float | None = None) -> float:
    """p: the fixed share, or the one that leaves 2 to 5 neurons; it is above 0, so that no neuron of no phrasing stays.

    Steps that cannot reach 2 to 5 end at the last p that leaves at least 2, or at the lowest.
    """
    if fixed is not None:
        return fixed

    def count(steps: int) -> int:
        return int((shares >= p_at(steps)).sum())

    def p_at(steps: int) -> float:
        return BEGIN + STEP * steps - 1e-6  # so that 7 of 10 reach 0.7

    steps = 0
    while count(steps) > MOST and p_at(steps + 1) <= 1 and count(steps + 1) >= FEWEST:
        steps += 1
    while count(steps) < FEWEST and p_at(steps - 1) > 0:
        steps -= 1
    return p_at(steps)


METHOD = KnRefined

"""Controls: as many neurons in the same layers elsewhere; the relation's most frequent."""

import torch

from errata.datasets.pararel import PhrasedFact
from errata.detectors.strengths import Strengths
from errata.reproduce.land.sets import frequent, shuffled


def test_random_neurons_keep_the_histogram() -> None:
    sets = torch.rand(5, 3 * 40, generator=torch.Generator().manual_seed(0)) < 0.1
    found = shuffled(sets, 3, torch.Generator().manual_seed(1))
    assert torch.equal(found.view(5, 3, 40).sum(-1), sets.view(5, 3, 40).sum(-1))
    assert not torch.equal(found, sets)
    assert torch.equal(found, shuffled(sets, 3, torch.Generator().manual_seed(1)))


def test_frequent_neurons_are_the_relations_own() -> None:
    facts = [PhrasedFact(name, f"s{at}", "o", ("{} is", "{} was")) for at, name in enumerate(("a", "a", "b"))]
    scores = torch.zeros(6, 1, 8)
    for row, neurons in enumerate([(0, 1), (0, 2), (0, 2), (0,), (5,), (5, 6)]):
        scores[row, 0, list(neurons)] = 1.0
    found = frequent(facts, Strengths.of(list(scores)), 0.5, 2)
    assert {name: chosen.nonzero()[:, 0].tolist() for name, chosen in found.items()} == {"a": [0, 2], "b": [5, 6]}

"""LAND's detector: targets by hand, the loss by dense tensors, and a planted mapping that is learnt."""

import pytest
import torch

from errata.detectors import land
from errata.detectors.strengths import Strengths
from errata.detectors.weights import Weights
from errata.errors import InputError
from errata.evaluation.overlap import between
from errata.training.recipe import LandRecipe
from errata.training.train import train
from tests.detectors.planted import planted, sparse
from tests.tiny import D_FF, LAYERS, tiny

# Four facts in two phrasings; the first and the third have the same object, the fourth is of another relation.
SETS = [[0, 1, 2], [0, 1, 3], [2, 5], [6, 4], [0], [1], [0, 2], [0]]
GROUPS = [("r", "a"), ("r", "b"), ("r", "a"), ("q", "b")]


def rows(sets: list[list[int]]) -> Strengths:
    dense = torch.zeros(len(sets), 1, 8)
    for row, chosen in zip(dense, sets, strict=True):
        row[0, chosen] = 1.0
    return sparse(dense)


def counts(found: Strengths) -> list[dict[int, float]]:
    return [{at: float(value) for at, value in enumerate(row[0]) if value} for row in found.dense()]


def test_a_target_counts_phrasings() -> None:
    found = counts(land.targets(rows(SETS), 2, GROUPS, counter_examples=0))
    assert found == [{0: 2, 1: 2, 2: 1, 3: 1}, {2: 1, 4: 1, 5: 1, 6: 1}, {0: 1, 1: 1}, {0: 2, 2: 1}]


def test_neurons_of_counter_examples_leave_the_target() -> None:
    # Whichever phrasing of the second is drawn for the first: never one of the third, which has its object.
    plain = counts(land.targets(rows(SETS), 2, GROUPS, counter_examples=0))
    seen: list[list[dict[int, float]]] = []
    for seed in range(20):
        found = counts(land.targets(rows(SETS), 2, GROUPS, counter_examples=2, seed=seed))
        assert found[0] in ({0: 2, 1: 2, 3: 1}, {0: 2, 1: 2, 2: 1, 3: 1})  # against {2, 5} or {4, 6}
        assert found[1] in ({4: 1, 5: 1, 6: 1}, {2: 1, 4: 1, 5: 1, 6: 1})
        assert found[3] == plain[3]  # no other fact of its relation
        seen.append(found)
    assert any(found[0] != plain[0] for found in seen) and any(found[0] == plain[0] for found in seen)


def test_counter_examples_are_drawn_by_the_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    sets = sparse((torch.rand(60, 1, 40, generator=generator) < 0.2).float())
    groups = [("r", f"o{fact}") for fact in range(20)]
    one, same, other = (land.targets(sets, 3, groups, 1, seed).dense() for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    everything = land.targets(sets, 3, groups, 0).dense()
    assert bool((one <= everything).all()) and bool((one < everything).any())
    assert bool(((one == 0) | (one == everything)).all())


def test_sets_and_facts_must_match() -> None:
    with pytest.raises(InputError, match="3 sets for each of 4 facts"):
        land.targets(rows(SETS), 3, GROUPS)
    with pytest.raises(InputError, match="at least 0"):
        land.targets(rows(SETS), 2, GROUPS, counter_examples=-1)


def test_the_loss_is_the_mean_squared_error() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = Weights.random(2, 30, 4, generator)
    inputs = (torch.rand(5, 2, 30, generator=generator) < 0.2).float()
    wanted = torch.randint(0, 11, (5, 2, 30), generator=generator) * (torch.rand(5, 2, 30, generator=generator) < 0.2)
    outputs = torch.einsum("nlh,lhr,lrk->nlk", inputs, weights.encode, weights.decode)
    assert torch.allclose(land.outputs(weights, sparse(inputs)), outputs, atol=1e-6)
    expected = torch.nn.functional.mse_loss(outputs, wanted.float())
    assert torch.allclose(land.loss(weights, sparse(inputs), sparse(wanted)), expected, rtol=1e-5)


def test_the_threshold_gives_the_wanted_mean_size() -> None:
    found = torch.rand(6, 2, 30, generator=torch.Generator().manual_seed(0))
    for size in (1.0, 4.5, 60.0):
        assert int((found >= land.threshold_for(found, size)).sum()) == round(6 * size)
    assert land.threshold_for(found, 0.0) == float(found.max())
    assert land.threshold_for(found, 99.0) == float(found.min())


def test_a_planted_mapping_is_learnt() -> None:
    """From half of a fact's neurons to all of them, for facts that were never seen."""
    seen, unseen = planted(LAYERS, D_FF, seed=0), planted(LAYERS, D_FF, each=2, seed=1)
    recipe = LandRecipe(threshold=0.3, rank=16, epochs=12, batch=16, learning_rate=5e-3, ratio=1.5)
    found = train(tiny("gpt2"), seen.facts, seen.strengths, recipe, silent=True)
    inputs = unseen.strengths.above(found.threshold)
    answers = land.outputs(found.weights, inputs).flatten(1) >= found.answer["threshold"]
    own = unseen.own.repeat_interleave(4, 0)
    before = float(between(inputs.dense().flatten(1).bool(), own).diagonal().mean())
    after = float(between(answers, own).diagonal().mean())
    assert before < 0.5 and after > 0.8
    assert found.provenance["losses"][-1] < 0.3 * found.provenance["losses"][0]

"""Overlap: every measure counted by hand, and what it is for sets that are all the same, or empty."""

import pytest
import torch
from torch import Tensor

from errata.errors import InputError
from errata.evaluation.overlap import across, between, overlap


def sets(*rows: list[int]) -> Tensor:
    found = torch.zeros(len(rows), 8, dtype=torch.bool)
    for row, chosen in zip(found, rows, strict=True):
        row[chosen] = True
    return found


ONE = sets([0, 1, 2], [1, 2, 3], [5])
TWO = sets([0, 1], [0, 1], [0, 1, 2, 3])


def test_every_measure_by_hand() -> None:
    found = overlap([ONE, TWO])
    assert found.n_s == found.n_uo == pytest.approx((3 + 3 + 1 + 2 + 2 + 4) / 6)
    assert found.n_u == pytest.approx((5 + 4) / 2)
    assert found.n_so == pytest.approx((2 + 0 + 0 + 2 + 2 + 2) / 6)
    assert torch.allclose(found.pairs, torch.tensor([[2 / 4, 0, 0], [1, 2 / 4, 2 / 4]]))
    assert found.r_so == pytest.approx((0.5 + 0 + 0 + 1 + 0.5 + 0.5) / 6)
    assert torch.allclose(found.unions, torch.tensor([7 / 3 / 5, 8 / 3 / 4]))
    assert found.r_uo == pytest.approx((7 / 15 + 2 / 3) / 2)
    assert found.empty == 0


def test_two_empty_sets_agree_in_nothing() -> None:
    found = overlap([sets([], [], [0])])
    assert (found.r_so, found.n_so, found.n_u) == (0, 0, 1)
    assert found.empty == pytest.approx(2 / 3)
    assert found.r_uo == pytest.approx(1 / 3)
    nothing = overlap([sets([], [])])
    assert (nothing.r_so, nothing.r_uo, nothing.n_s, nothing.empty) == (0, 0, 0, 1)


def test_sets_of_different_facts_by_kind_of_pair() -> None:
    facts = [sets([0, 1], [2]), sets([1, 2], [3]), sets([0, 1], [2, 3]), sets([0], [2])]
    found = across(facts, [("r", "a"), ("r", "b"), ("r", "a"), ("q", "a")])
    # In the same phrasing only: {0, 1} and {1, 2} share a third, {2} and {3} nothing.
    assert found["same_relation"] == pytest.approx(((1 / 3 + 0) / 2 + (1 / 3 + 1 / 2) / 2) / 2)
    assert found["same_object"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["different_relation"] == pytest.approx(((1 / 2 + 1) / 2 + 0 + (1 / 2 + 1 / 2) / 2) / 3)


def test_a_kind_without_pairs_has_no_number() -> None:
    found = across([ONE, TWO], [("r", "a"), ("q", "a")])
    assert found["same_relation"] is None and found["same_object"] is None
    assert found["different_relation"] is not None


def test_a_method_that_answers_the_same_for_all_has_collapsed() -> None:
    facts = [sets([3, 4], [3, 4], [3, 4])] * 4
    assert overlap(facts).r_so == overlap(facts).r_uo == 1
    found = across(facts, [("r", "a"), ("r", "b"), ("r", "a"), ("q", "a")])
    assert set(found.values()) == {1.0}


def test_many_pairs_are_thinned_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [sets([0, fact % 7 + 1], [0]) for fact in range(12)]
    groups = [(f"r{fact}", "o") for fact in range(12)]
    monkeypatch.setattr("errata.evaluation.overlap.PAIRS", 7)
    thin = across(facts, groups)["different_relation"]
    pairs = [(f, g) for f in range(12) for g in range(f)][::10]
    assert len(pairs) == 7
    assert thin == pytest.approx(sum(float(between(facts[f], facts[g]).diagonal().mean()) for f, g in pairs) / 7)


def test_between_compares_every_two() -> None:
    found = between(ONE, TWO[1:])
    assert torch.allclose(found, torch.tensor([[2 / 3, 3 / 4], [1 / 4, 3 / 4], [0, 0]]))


@pytest.mark.parametrize("given", [[], [ONE[:1]], [ONE, TWO[:2]]])
def test_single_phrasings_are_refused(given: list[Tensor]) -> None:
    with pytest.raises(InputError, match="two or more phrasings"):
        overlap(given)

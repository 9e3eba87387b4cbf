"""Paired differences over facts, by hand."""

import pytest

from errata.reproduce.grid.paired import difference, summary, together
from errata.scores import bootstrap


def test_a_fact_of_several_seeds_counts_once() -> None:
    found = summary({("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 1.0})
    assert found is not None and found["n"] == 2 and found["mean"] == 0.75
    assert found["interval"] == pytest.approx(bootstrap([0.5, 1.0]))


def test_a_difference_pairs_the_same_fact_and_seed() -> None:
    one = {("a", 0): 1.0, ("b", 0): 0.5, ("c", 0): 1.0}
    other = {("a", 0): 0.25, ("b", 0): 0.5, ("c", 1): 0.0}
    found = difference(one, other)
    assert found is not None and found["n"] == 2 and found["mean"] == 0.375
    assert found["interval"] == pytest.approx(bootstrap([0.75, 0.0]))


def test_pairing_narrows_the_interval() -> None:
    one = {(at, 0): at / 10 + 0.1 for at in range(10)}
    found = difference(one, {(at, 0): at / 10 for at in range(10)})
    assert found is not None and found["interval"] == pytest.approx([0.1, 0.1])
    assert bootstrap(one.values())[0] < 0.4


def test_nothing_shared_is_nothing() -> None:
    assert difference({("a", 0): 1.0}, {("a", 1): 1.0}) is None and summary({}) is None


def test_a_mean_is_of_facts_that_have_all_quantities() -> None:
    assert together([{("a", 0): 1.0, ("b", 0): 1.0}, {("a", 0): 0.0}]) == {("a", 0): 0.5}
    assert together([]) == {}

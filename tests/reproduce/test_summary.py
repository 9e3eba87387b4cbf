"""Means over seeds and curves read at a height, by hand."""

import pytest

from errata.reproduce.summary import at_kept, mean, over_seeds


def test_three_seeds_have_students_interval() -> None:
    found = over_seeds([1.0, 2.0, 3.0])
    assert found is not None
    assert found["mean"] == 2.0 and found["seeds"] == [1.0, 2.0, 3.0]
    assert found["interval"] == pytest.approx(4.303 / 3**0.5, rel=1e-4)


def test_one_seed_has_no_interval_and_none_has_nothing() -> None:
    assert over_seeds([0.25]) == {"mean": 0.25, "interval": None, "seeds": [0.25]}
    assert over_seeds([None, 0.5]) == {"mean": 0.5, "interval": None, "seeds": [0.5]}
    assert over_seeds([None]) is None and mean([]) is None


def point(strength: float, related: float, kept: float) -> dict[str, float]:
    return {"lambda": float(strength), "related": related, "kept": kept}


def test_a_curve_is_read_where_it_crosses() -> None:
    curve = [point(1, 0.2, 1.0), point(2, 0.6, 0.8), point(4, 1.0, 0.2)]
    assert at_kept(curve, 0.9) == pytest.approx(point(1.5, 0.4, 0.9))
    assert at_kept(curve, 0.8) == point(2, 0.6, 0.8)
    assert at_kept(curve, 0.1) == point(4, 1.0, 0.2)


def test_the_best_of_several_crossings_counts() -> None:
    curve = [point(1, 0.5, 0.95), point(2, 0.7, 0.85), point(3, 0.8, 0.95), point(4, 0.9, 0.5)]
    found = at_kept(curve, 0.9)
    assert found is not None and found["lambda"] > 3 and found["related"] == pytest.approx(0.8 + 0.1 * 0.05 / 0.45)


def test_a_method_that_never_keeps_enough_has_no_point() -> None:
    assert at_kept([point(1, 0.5, 0.5)], 0.9) is None

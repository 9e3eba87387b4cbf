"""Scores: values with their interval, never a bare float."""

import json
import random

import pytest

from errata.errors import InputError
from errata.scores import Score, Scores, bootstrap, wilson


def score(*values: float, name: str = "efficacy") -> Score:
    return Score(name, "generation", "higher", values)


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_hits_has_wilsons_interval() -> None:
    found = score(1.0, 1.0, 0.0, 1.0)
    assert (found.n, found.mean, found.interval) == (4, 0.75, wilson(0.75, 4))
    assert score(1.0, 1.0).interval[1] == 1.0 > score(1.0, 1.0).interval[0] > 0


def test_other_means_have_the_bootstraps_interval() -> None:
    chance = random.Random(0)
    values = tuple(chance.gauss(0.4, 0.2) for _ in range(400))
    low, high = score(*values).interval
    half = 1.96 * 0.2 / 400**0.5
    assert low == pytest.approx(score(*values).mean - half, abs=0.3 * half)
    assert high == pytest.approx(score(*values).mean + half, abs=0.3 * half)
    assert (low, high) == bootstrap(values)
    assert score(0.5, 0.5).interval == (0.5, 0.5)


def test_a_score_refuses_what_is_no_measurement() -> None:
    for values in [(), (float("nan"),), (float("inf"), 1.0)]:
        with pytest.raises(InputError):
            score(*values)


def test_scores_are_a_mapping_by_name_and_plain_json() -> None:
    found = Scores([score(1.0, 0.0), score(0.5, name="paraphrase")])
    assert list(found) == ["efficacy", "paraphrase"] and len(found) == 2
    assert found["efficacy"].mean == 0.5
    row = json.loads(json.dumps(found.to_dict()))["efficacy"]
    assert row["values"] == [1.0, 0.0] and row["n"] == 2 and row["protocol"] == "generation"
    assert row["interval"] == list(found["efficacy"].interval)
    assert "efficacy 0.500 [" in repr(found)
    with pytest.raises(InputError, match="two scores"):
        Scores([score(1.0), score(0.0)])


def test_the_bootstrap_does_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [at / 7 for at in range(11)]
    expected = bootstrap(values)
    monkeypatch.setattr("errata.scores.AT_ONCE", 37)
    assert bootstrap(values) == expected

"""Targets, collapse and alarms on rows that were written by hand."""

from typing import Any

import pytest

from errata.reproduce.o_edit.plan import SEQUENCE, Arm, Plan, Unit
from errata.reproduce.o_edit.result import result_of
from errata.reproduce.o_edit.rows import Done
from errata.reproduce.o_edit.targets import single_targets
from errata.scores import Score, Scores
from errata.sequences import Checkup

ARMS = ("rome", "memit_aligned", "alphaedit", "o_edit_plus", "o_edit_plus-memit_aligned")
PLAN = Plan(
    "pocket-gelu",
    tuple(Arm(name, name.partition("-")[0]) for name in ARMS),
    edits=100,
    ablation=0,
    single=0,
    batches=(1,),
    seeds=(0, 1),
    switches=(),
    no_covariance=(),
)


def checkup(done: int, share: float, known: float = 1.0) -> Checkup:
    """All three scores of 20 cases are `share`."""

    def score(name: str, value: float) -> Score:
        right = round(20 * value)
        return Score(name, "generation", "higher", (1.0,) * right + (0.0,) * (20 - right))

    scores = Scores(score(name, share) for name in ("efficacy", "generalization", "specificity"))
    return Checkup(done, done, done, scores, scores, scores, score("known", known), None, None, False, ())


def done(name: str, seed: int, *shares: float, known: float = 1.0) -> Done:
    """A sequence that was scored after 10, 50 and 100 edits."""
    arm = next(one for one in PLAN.arms if one.name == name)
    checkups = [checkup(at, share, known) for at, share in zip((10, 50, 100), shares, strict=True)]
    found = {"checkups": [one.to_dict() for one in checkups], "failed": 0, "error": None, "seconds": 1.0}
    return Done(Unit(SEQUENCE, arm, 1, seed, 100), found)


def targets(units: list[Done]) -> list[dict[str, Any]]:
    return result_of(PLAN, units)["targets"]


def both(name: str, *shares: float) -> list[Done]:
    return [done(name, seed, *shares) for seed in (0, 1)]


def test_rows_hold_all_that_was_measured() -> None:
    result = result_of(PLAN, [done("rome", 0, 1.0, 0.8, 0.6), Done(Unit(SEQUENCE, PLAN.arms[0], 1, 1, 100), None)])
    rows = result["sequences"]["1"]["rome"]
    assert [(row["edits"], row["seeds"], row["mean"]["mean"]) for row in rows] == [
        (10, [0], 1.0),
        (50, [0], 0.8),
        (100, [0], 0.6),
    ]
    assert rows[2]["after_mean"]["mean"] == pytest.approx(0.8) and rows[2]["known"]["mean"] == 1.0
    assert rows[2]["perplexity"] is None and rows[2]["mean"]["interval"] is None
    assert result["units"] == {"planned": 2, "measured": 1, "missing": ["rome, batches of 1, seed 1"], "failed": []}


def test_the_lead_counts_where_rome_has_collapsed() -> None:
    lead = targets(both("rome", 1.0, 0.5, 0.2) + both("o_edit_plus", 1.0, 1.0, 0.9))[0]
    assert lead["value"] == pytest.approx(4.5) and lead["reached"] is True
    assert lead["note"] == "rome has collapsed: 0.200 at the end, 1.000 at up to 10 edits"
    assert targets(both("rome", 1.0, 0.5, 0.2) + both("o_edit_plus", 1.0, 1.0, 0.8))[0]["reached"] is False
    none = targets(both("rome", 1.0, 0.5, 0.0) + both("o_edit_plus", 1.0, 1.0, 0.8))[0]
    assert none["value"] is None and none["reached"] is True and "no bound" in none["note"]


def test_a_rome_that_has_not_collapsed_is_said_to_stand() -> None:
    lead = targets(both("rome", 1.0, 0.9, 0.8) + both("o_edit_plus", 1.0, 1.0, 0.9))[0]
    assert lead["reached"] is True and "has not collapsed" in lead["note"]


def test_at_least_as_good_is_within_the_interval() -> None:
    plus = [done("o_edit_plus-memit_aligned", 0, 1, 1, 0.80), done("o_edit_plus-memit_aligned", 1, 1, 1, 0.90)]
    found = targets(plus + both("memit_aligned", 1, 1, 0.9) + [done("alphaedit", 0, 1, 1, 0.85)])
    aligned, alpha = found[1], found[2]
    assert aligned["value"] == pytest.approx(-0.05) and aligned["reached"] is True and "2 seeds" in aligned["note"]
    assert alpha["value"] == pytest.approx(-0.05) and alpha["reached"] is False


@pytest.mark.parametrize(("known", "reached"), [(0.95, True), (0.9, False)])
def test_known_facts(known: float, reached: bool) -> None:
    found = targets([done("o_edit_plus-memit_aligned", 0, 1, 1, 1, known=known)])[3]
    assert found["value"] == known and found["reached"] is reached


def test_an_alarm_must_come_before_the_fall() -> None:
    early, late = done("rome", 0, 1.0, 0.75, 0.4), done("rome", 1, 1.0, 1.0, 0.4)
    warned = targets([early])[4]
    assert warned["value"] == 1 and warned["reached"] is True
    both_seeds = targets([early, late])[4]
    assert both_seeds["value"] == 0.5 and both_seeds["reached"] is False and both_seeds["note"] == "1 of 2"
    never = targets(both("rome", 1.0, 0.9, 0.8))[4]
    assert never["value"] is None and never["reached"] is None and "never fell" in never["note"]


def test_no_alarm_may_fire_above_nine_tenths() -> None:
    calm = targets(both("memit_aligned", 1, 1, 0.95))[5]
    assert calm["value"] == 0 and calm["reached"] is True
    forgotten = [done("memit_aligned", 0, 1, 1, 0.95, known=0.5)]  # the scores stay, the known facts do not
    assert targets(forgotten)[5]["reached"] is False


def test_the_beginning_of_a_sequence_that_falls_counts_as_one_that_stays() -> None:
    falls = result_of(PLAN, both("rome", 1.0, 0.95, 0.4))
    assert [row["stable"] for row in falls["alarms"]] == [50, 50]
    assert falls["targets"][5]["reached"] is True and "the longest of 50 edits" in falls["targets"][5]["note"]
    assert targets([done("rome", 0, 1.0, 0.95, 0.4, known=0.5)])[5]["value"] == 1
    assert targets(both("rome", 0.9, 0.8, 0.4))[5]["reached"] is None


def test_what_was_not_measured_has_no_verdict() -> None:
    assert all(one["value"] is None and one["reached"] is None for one in targets([]))
    assert all(one["reached"] is None for one in single_targets({}))


def test_single_edits() -> None:
    scores = {"efficacy": {"mean": 0.97}, "specificity": {"mean": 0.9}}
    found = {one["name"]: one["reached"] for one in single_targets({"rome": {"scores": scores}})}
    assert found["single edits: efficacy of rome"] is False
    assert found["single edits: specificity of rome"] is True
    assert found["single edits: efficacy of memit"] is None

"""Rows, chosen rates, paired differences and targets on units that were written by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from errata.reproduce.kne.arms import arm
from errata.reproduce.kne.plan import Unit, plan_of
from errata.reproduce.kne.result import chosen_rates, result_of
from errata.reproduce.kne.rows import Done, paired, row_of

NAMES = ["kne-robust", "random", "ft_m", "ft_m-tuned", "rome", "memit"]
PLAN = plan_of("pocket-gelu", NAMES, batches=(1,), seeds=(0, 1), shares=(), timed=2)


def content(seconds: float = 1.0, failed: int = 0, **means: Sequence[float | None]) -> dict[str, Any]:
    scores = {name: {"values": values} for name, values in means.items()}
    costs = {"seconds_per_edit": seconds, "peak_bytes": None, "neurons": 5.0, "steps": 3.0}
    return {
        "scores": {"generation": scores, "teacher-forced": {"edit_success": {"values": [1.0, 0.5]}}},
        "editor": {"editor": "made up"},
        "failed": failed,
        "error": None,
        "seconds": 2.0,
        "device": "cpu",
        "threads": 2,
        **costs,
    }


def done(name: str, seed: int = 0, **found: Any) -> Done:
    return Done(Unit("edits", arm(name), 1, seed, 20), content(**found))


def share(part: float) -> Sequence[float | None]:
    return [1.0] * round(20 * part) + [0.0] * round(20 * (1 - part))


def edits(**locality: float) -> list[Done]:
    """Every arm with these localities; the others' are 0.5."""
    values = {name: locality.get(name.replace("-", "_"), 0.5) for name in NAMES}
    return [
        done(name, seed, efficacy=share(1.0), generalization=share(0.5), portability=share(0.5), locality=share(value))
        for name, value in values.items()
        for seed in (0, 1)
    ]


def targets(units: list[Done], sweeps: list[Done] | None = None) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in result_of(PLAN, units, sweeps or [])["targets"]}


LOCALITY = "locality: kne-robust − the best of FT-M, ROME and MEMIT"
CONTROL = "locality or generalization: kne-robust − random neurons"


def test_a_row_holds_the_mean_over_seeds_and_all_cases() -> None:
    row = row_of([done("rome", 0, efficacy=[1.0, 0.0]), done("rome", 1, efficacy=[1.0, 1.0])])
    assert row is not None and row["seeds"] == [0, 1]
    assert row["generation"]["efficacy"]["mean"] == 0.75 and row["generation"]["efficacy"]["n"] == 4
    assert row["teacher-forced"]["edit_success"]["mean"] == 0.75 and "efficacy" not in row["teacher-forced"]
    assert row["seconds_per_edit"]["mean"] == 1.0 and row["peak_bytes"] is None
    assert row_of([Done(Unit("edits", arm("rome"), 1, 0, 20), None)]) is None


def test_parts_that_share_a_file_are_counted_once() -> None:
    units = [Done(unit, content(), f"{unit.seed}.json") for unit in PLAN.edits({}) if unit.arm.editor == "ft_m"]
    found = result_of(PLAN, units, [])
    assert len(units) == 4 and found["units"]["planned"] == found["units"]["measured"] == 2 and found["seconds"] == 4.0
    assert set(found["tables"]["1"]) == {"ft_m", "ft_m-tuned"}


def test_differences_are_of_the_same_cases_of_the_same_seed() -> None:
    first = [done("rome", 0, efficacy=[1.0, 0.0]), done("rome", 1, efficacy=[1.0, 1.0])]
    second = [done("memit", 1, efficacy=[0.0, 1.0]), done("memit", 2, efficacy=[0.0, 0.0])]
    assert paired(first, second, "efficacy") == {"mean": 0.5, "low": 0.0, "high": 1.0, "n": 2}
    assert paired(first, [], "efficacy") is None and paired(first, first, "locality") is None


def test_the_rate_with_the_best_mean_is_chosen_once_all_are_measured() -> None:
    units = [unit for unit in PLAN.sweeps() if unit.kind == "rate"]
    found = [
        Done(unit, content(efficacy=[0.9], generalization=[0.1 * place], locality=[0.5 - 0.02 * place]))
        for place, unit in enumerate(units)
    ]
    assert chosen_rates(PLAN, found) == {"ft_m-tuned": {"lr": 1e-2}}
    assert chosen_rates(PLAN, [*found[:-1], Done(units[-1], None)]) == {"ft_m-tuned": None}
    assert chosen_rates(PLAN, []) == {"ft_m-tuned": None}


@pytest.mark.parametrize(("efficacy", "reached"), [(0.98, True), (0.97, False)])
def test_efficacy(efficacy: float, reached: bool) -> None:
    units = [done("kne-robust", seed, efficacy=[efficacy] * 10) for seed in (0, 1)]
    found = targets(units)["efficacy of kne-robust"]
    assert found["value"] == efficacy and found["reached"] is reached and found["note"] == "2 seeds, n = 20"
    assert targets(units[:1])["efficacy of kne-robust"]["reached"] is None


def test_at_or_above_the_best_is_within_the_interval_and_counts_the_tuned_rate() -> None:
    equal = targets(edits(kne_robust=0.7, ft_m_tuned=0.7))[LOCALITY]
    assert equal["value"] == 0 and equal["reached"] is True and "ft_m-tuned is best" in equal["note"]
    below = targets(edits(kne_robust=0.2, rome=0.9))[LOCALITY]
    assert (
        below["value"] == pytest.approx(-0.7)
        and below["reached"] is False
        and "rome is best, with efficacy 1.000; [−" in below["note"]
    )
    for name, seeds in (("memit", (0, 1)), ("memit", (1,)), ("ft_m-tuned", (0,)), ("kne-robust", (1,))):
        missing = [one for one in edits() if one.unit.arm.name != name or one.unit.seed not in seeds]
        assert targets(missing)[LOCALITY]["reached"] is None and targets(missing)[LOCALITY]["value"] is None


def with_locality(**values: Sequence[float | None]) -> list[Done]:
    """Every arm with these localities of the first seed, and all the same of the second."""
    return [
        done(
            one.unit.arm.name,
            one.unit.seed,
            failed=sum(value is None for value in own),
            efficacy=share(1.0),
            generalization=share(0.5),
            portability=share(0.5),
            locality=own,
        )
        for one in edits()
        for own in [values.get(one.unit.arm.name.replace("-", "_"), share(0.5)) if one.unit.seed == 0 else share(0.5)]
    ]


def test_a_small_loss_whose_interval_reaches_zero_is_at_the_best() -> None:
    one_worse = [0.0, *share(0.5)[1:]]
    found = targets(with_locality(kne_robust=one_worse))[LOCALITY]
    assert found["value"] == pytest.approx(-0.025) and found["reached"] is True
    assert found["note"].startswith("ft_m is best") and "+0.000], n = 40" in found["note"]
    many_worse = targets(with_locality(kne_robust=[0.0] * 20))[LOCALITY]
    assert many_worse["value"] == pytest.approx(-0.25) and many_worse["reached"] is False


def test_a_small_gain_whose_interval_contains_zero_beats_no_control() -> None:
    one_better = [*share(0.5)[:-1], 1.0]
    found = targets(with_locality(kne_robust=one_better))[CONTROL]
    assert found["value"] == pytest.approx(0.025) and found["reached"] is False
    assert targets(with_locality(kne_robust=[1.0] * 20))[CONTROL]["reached"] is True


def test_a_fact_that_was_not_edited_has_no_locality() -> None:
    rome: list[float | None] = [None, None, None, *[0.2] * 17]
    units = with_locality(rome=rome, kne_robust=[1.0, None, *[0.2] * 18], ft_m=[0.0] * 20)
    row = row_of([one for one in units if one.unit.arm.name == "rome"])
    assert row is not None and row["generation"]["locality"]["n"] == 37 and row["failed"] == 3
    assert row["generation"]["locality"]["seeds"] == [pytest.approx(0.2), 0.5]
    own, other = ([one for one in units if one.unit.arm.name == name] for name in ("kne-robust", "rome"))
    assert paired(own, other, "locality") == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 37}
    note = targets(units)[LOCALITY]["note"]
    assert "not edited by rome: 3 facts" in note and "not edited by kne-robust: 1 fact" in note
    nothing = row_of([done("rome", 0, failed=2, locality=[None, None])])
    assert nothing is not None and "locality" not in nothing["generation"]


def test_the_control_is_beaten_where_the_interval_is_apart() -> None:
    apart = targets(edits(kne_robust=0.9, random=0.4))[CONTROL]
    assert (
        apart["value"] == pytest.approx(0.5) and apart["reached"] is True and "generalization +0.000" in apart["note"]
    )
    assert targets(edits(kne_robust=0.5, random=0.5))[CONTROL]["reached"] is False
    missing = [one for one in edits(kne_robust=0.9, random=0.4) if (one.unit.arm.name, one.unit.seed) != ("random", 1)]
    assert targets(missing)[CONTROL]["reached"] is None
    assert targets(edits(kne_robust=0.3, random=0.9))[CONTROL]["reached"] is False


def test_time_at_equal_steps() -> None:
    units = PLAN.timings()
    sweeps = [Done(unit, content(seconds)) for unit, seconds in zip(units, (0.9, 0.4), strict=True)]
    found = targets(edits(), sweeps)
    factor = found["time of an edit at equal steps: kne-robust over FT-M"]
    assert factor["value"] == pytest.approx(2.25) and factor["reached"] is False
    assert factor["note"] == "0.90 s and 0.40 s, medians, cpu, threads: 2"
    assert found["time of an edit at equal steps: kne-paper over FT-M"]["reached"] is None
    assert found["seconds of an edit of one fact, kne-robust"]["reached"] is True


def test_what_was_not_measured_has_no_verdict() -> None:
    assert all(one["value"] is None and one["reached"] is None for one in targets([]).values())

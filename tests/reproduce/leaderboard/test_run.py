"""A leaderboard of a few facts of an embedded model: its rows, its files, and what is not asked twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errata.errors import InputError
from errata.evaluation.contrast import contrast
from errata.evaluation.protocols import Settings
from errata.evaluation.results import read as read_results
from errata.reproduce.leaderboard import before as unedited
from errata.reproduce.leaderboard import measure_all, run
from errata.reproduce.leaderboard.plan import Data, Method, Plan, Regime

QUICK = {"values": {"steps": 2}, "context_lengths": [2], "covariance_tokens": 100, "layer": 1}
NOTHING = {"steps": 1, "lr": 1e-12}
PLAN = Plan(
    "small",
    ("pocket-gelu",),
    (Method("R", "rome", QUICK), Method("nothing", "ft_m", NOTHING)),
    (Data("pocket", "pocket"),),
    (Regime("single", 2), Regime("sequential", 2)),
    ("generation", "likelihood"),
)
ASKED = Settings(limit=6, written=4)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def result(work: Path) -> dict[str, Any]:
    return measure_all(PLAN, work, "errata leaderboard small.toml", ASKED, silent=True)


def test_every_method_has_a_row_in_every_regime(result: dict[str, Any]) -> None:
    rows = [(row["regime"], row["when"], row["method"]) for row in result["entries"]]
    assert rows == [
        *(("single edits", "right after", name) for name in ("R", "nothing")),
        *(
            ("2 in a row, one by one", when, name)
            for name in ("R", "nothing")
            for when in ("right after", "at the end")
        ),
    ]
    assert result["units"] == {"planned": 4, "measured": 4, "missing": [], "failed": []}
    assert all(row["cases"] == 2 and row["already"] == row["failed"] == 0 for row in result["entries"])
    assert [bool(row["retained"]) for row in result["entries"]] == [False, False, True, True, True, True]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_edit_that_does_nothing_scores_what_was_there_before(result: dict[str, Any]) -> None:
    for row in result["entries"]:
        if row["method"] == "nothing":
            for scores in row["scores"].values():
                for name, score in scores.items():
                    assert score["mean"] == pytest.approx(score["before"], abs=1e-5), name


def test_the_best_of_a_score_is_level_with_itself(result: dict[str, Any]) -> None:
    means = {
        (row["regime"], row["when"], row["method"], name, metric): score["mean"]
        for row in result["entries"]
        for name, scores in row["scores"].items()
        for metric, score in scores.items()
    }
    assert result["level"]
    for row in result["level"]:
        place = row["regime"], row["when"]
        assert row["best"] == row["level"][0]
        own = [means[(*place, method, row["protocol"], row["metric"])] for method in ("R", "nothing")]
        assert means[(*place, row["best"], row["protocol"], row["metric"])] == max(own)


def test_what_is_measured_is_not_measured_or_asked_again(work: Path, result: dict[str, Any]) -> None:
    files = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    assert sum(path.name.startswith("unedited-") for path in files) == 2
    assert measure_all(PLAN, work, result["command"], ASKED, silent=True) == result
    one = replace(PLAN, methods=PLAN.methods[:1])
    assert measure_all(one, work, "", ASKED, measuring=False)["units"]["measured"] == 2
    assert {path: path.stat().st_mtime_ns for path in work.iterdir()} == files
    other = measure_all(PLAN, work, "", replace(ASKED, limit=7), measuring=False)
    assert other["units"]["measured"] == 0 and other["entries"] == []


def test_the_answers_of_the_unedited_model_are_read_as_they_were_asked(work: Path, result: dict[str, Any]) -> None:
    from errata.evaluation.protocols import protocol
    from errata.model.identity import identify
    from errata.model.load import load

    cases = run.load("pocket-gelu", PLAN.data[0], 2, 0).examinations
    view, weights = load("pocket-gelu"), identify("pocket-gelu").weights
    for name in ("generation", "likelihood"):
        own = protocol(name)
        held = unedited.said_unedited(view, weights, own, cases, ASKED, work)
        assert held == own.ask(view, cases, ASKED)
    path = next(work.glob("unedited-likelihood-*"))
    whole = path.read_bytes()
    path.write_text('{"kind": "Nobody", "rows": []}', encoding="utf-8")
    with pytest.raises(InputError, match="holds no answers"):
        unedited.said_unedited(view, weights, protocol("likelihood"), cases, ASKED, work)
    path.write_bytes(whole)


def test_answers_that_cannot_be_kept_are_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from errata.model.load import load

    cases, full = run.load("pocket-gelu", PLAN.data[0], 1, 0).examinations, tmp_path / "file"
    full.write_text("", encoding="utf-8")
    (said,) = unedited.before(load("pocket-gelu"), "weights", ("likelihood",), cases, ASKED, full / "answers")
    assert set(said) == {"likelihood"} and "cannot be written" in caplog.text


def test_parts_are_written_as_results_that_can_be_compared(work: Path, result: dict[str, Any], tmp_path: Path) -> None:
    run.write_results(PLAN, work, tmp_path, ASKED)
    assert len(list(tmp_path.iterdir())) == 6
    rome, nothing = (
        read_results(tmp_path / f"{name}-single-edits-pocket-on-pocket-gelu-seed-0-right-after.jsonl")
        for name in ("R", "nothing")
    )
    assert rome.header.command == result["command"] and rome.header.data == "pocket" and len(rome.rows) == 2
    found = contrast(rome, nothing, ["generation"], ["efficacy"])
    means = {row["method"]: row["scores"]["generation"]["efficacy"]["mean"] for row in result["entries"][:2]}
    assert (found.rows[0].mean_a, found.rows[0].mean_b) == (means["R"], means["nothing"])


def test_data_that_is_not_there_is_said_with_its_model(work: Path) -> None:
    plan = replace(PLAN, data=(Data("counterfact", "counterfact", ("none.json",)),))
    with pytest.raises(InputError, match="counterfact for pocket-gelu"):
        measure_all(plan, work, "", ASKED, measuring=False)

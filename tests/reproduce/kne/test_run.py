"""The whole measurement on a few facts of an embedded model, and the command."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from errata.cli import main
from errata.editors import ft_m
from errata.errors import EditError, InputError, MissingPackageError
from errata.reproduce.kne import Plan, reproduce, source
from errata.reproduce.kne.arms import Arm, arm
from tests.datasets.test_knowedit import listed, wikidata

QUICK = Arm(
    "kne-robust", "ensemble", {"steps": 1, "others": 0, "context_lengths": (), "localizer": {"name": "activation"}}
)
FEW = Plan(
    "pocket-gelu",
    (QUICK, Arm("ft_m", "ft_m", {"steps": 1}), arm("ft_m-tuned")),
    facts=2,
    batches=(1, 2),
    seeds=(0,),
    tuning=1,
    shares=(),
    rates={"ft_m": ({"steps": 1, "lr": 1e-9}, {"steps": 1, "lr": 5e-3})},
    timed=0,
    written=4,
)


def measured(work: Path, plan: Plan = FEW, **settings: Any) -> dict[str, Any]:
    return reproduce(source("pocket-gelu", None, ()), plan, work, "errata reproduce kne", silent=True, **settings)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def result(work: Path) -> dict[str, Any]:
    return measured(work)


def test_every_arm_is_a_row_in_both_protocols(result: dict[str, Any]) -> None:
    assert {size: list(arms) for size, arms in result["tables"].items()} == {
        size: ["kne-robust", "ft_m", "ft_m-tuned"] for size in ("1", "2")
    }
    row = result["tables"]["1"]["kne-robust"]
    assert row["generation"]["efficacy"]["n"] == 2 and row["teacher-forced"]["edit_success"]["n"] == 2
    assert row["generation"]["fluency"]["mean"] >= 0 and row["seconds_per_edit"]["mean"] > 0
    assert row["neurons"]["mean"] > 0 and row["steps"]["mean"] == 1 and row["peak_bytes"] is not None
    assert result["units"] == {"planned": 8, "measured": 8, "missing": [], "failed": []}
    assert result["chosen"]["ft_m-tuned"] == result["sweeps"]["rate"][0]["change"]
    assert result["arms"]["ft_m-tuned"]["lr"] == result["chosen"]["ft_m-tuned"]["lr"]
    assert set(result["differences"]) == {"ft_m", "ft_m-tuned"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_is_done_is_not_done_again(result: dict[str, Any], work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.reproduce.kne.measure.measured", None)
    assert measured(work) == result


def test_a_tuned_arm_waits_for_its_sweep(result: dict[str, Any], work: Path, tmp_path: Path) -> None:
    for path in work.glob("edits-*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = measured(tmp_path, measuring=False)
    assert [name for name in found["units"]["missing"] if "ft_m-tuned" in name] == [
        "ft_m-tuned, single edits, seed 0",
        "ft_m-tuned, batches of 2, seed 0",
    ]
    assert found["units"]["measured"] == 4 and found["chosen"] == {"ft_m-tuned": None}
    assert found["tables"]["1"]["ft_m"] == result["tables"]["1"]["ft_m"]


def test_several_processes_measure_the_same(result: dict[str, Any], tmp_path: Path) -> None:
    again = measured(tmp_path, replace(FEW, arms=FEW.arms[1:2], tuning=0), workers=2)
    for size, arms in again["tables"].items():
        for protocol in ("generation", "teacher-forced"):
            assert arms["ft_m"][protocol] == result["tables"][size]["ft_m"][protocol]


def refuse(*_: Any, **__: Any) -> Any:
    raise EditError("The optimisation diverged.")


def test_a_fact_whose_edit_fails_counts_in_what_follows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, subject = ft_m.descend, source("pocket-gelu", None, ()).facts(0, 2)[0].case.fact.subject
    asked: list[str] = []

    def noted(view: Any, facts: Any) -> Any:
        asked.append(facts[0].subject)
        return wanted(view, facts)

    def sometimes(*given: Any, **named: Any) -> Any:
        return refuse() if asked[-1] == subject else whole(*given, **named)

    wanted = ft_m.targets
    monkeypatch.setattr(ft_m, "targets", noted)
    monkeypatch.setattr(ft_m, "descend", sometimes)
    found = measured(tmp_path, replace(FEW, arms=FEW.arms[1:2], batches=(1,), tuning=0))
    row = found["tables"]["1"]["ft_m"]
    assert row["failed"] == 1 and row["generation"]["efficacy"]["n"] == 2
    for protocol, names in (("generation", ("locality", "kept", "fluency")), ("teacher-forced", ("locality",))):
        assert all(row[protocol][name]["n"] == 1 for name in names)
    assert found["units"]["failed"][0] == {
        "unit": "ft_m, single edits, seed 0",
        "facts": 1,
        "error": "The optimisation diverged.",
    }


def test_a_part_in_which_every_edit_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ft_m, "descend", refuse)
    with pytest.raises(EditError, match=r"None of the 2 facts could be edited \(The optimisation diverged"):
        measured(tmp_path, replace(FEW, arms=FEW.arms[1:2], batches=(2,), tuning=0))
    assert not list(tmp_path.iterdir())


def test_layers_that_the_model_has_not_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected layers from 0 to 5, those of pocket-gelu, found 9"):
        measured(tmp_path / "work", replace(FEW, layers=(1, 9)))
    assert not (tmp_path / "work").exists()


def test_an_arm_without_its_package_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    plan = replace(FEW, arms=(QUICK, arm("lora")), tuning=0)
    with pytest.raises(MissingPackageError, match=r"errata-lm\[peft\]"):
        measured(tmp_path / "work", plan)
    assert not (tmp_path / "work").exists()
    assert measured(tmp_path / "work", plan, measuring=False)["units"]["measured"] == 0


def test_times_are_taken_with_all_threads_after_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.reproduce.kne import measure

    seen: list[tuple[str, int]] = []

    def noted(_view: Any, unit: Any, *_: Any) -> dict[str, Any]:
        seen.append((unit.kind, torch.get_num_threads()))
        raise RuntimeError("enough")

    monkeypatch.setattr(measure, "measured", noted)
    monkeypatch.setattr("errata.reproduce.units.cores", lambda: 3)
    threads = torch.get_num_threads()
    with pytest.raises(EditError):
        measured(tmp_path, replace(FEW, arms=FEW.arms[1:2], timed=1))
    assert seen == [("edits", threads), ("edits", threads), ("timing", 3)] and torch.get_num_threads() == threads


def test_a_part_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.reproduce.kne import measure

    whole = measure.measured

    def failing(view: Any, unit: Any, *rest: Any) -> dict[str, Any]:
        if unit.batch == 1:
            raise RuntimeError("out of luck")
        return whole(view, unit, *rest)

    monkeypatch.setattr(measure, "measured", failing)
    with pytest.raises(EditError, match=r"1 of 2 parts .* ft_m, single edits, seed 0: out of luck"):
        measured(tmp_path, replace(FEW, arms=FEW.arms[1:2], tuning=0))
    assert [path.name.split("-")[1] for path in tmp_path.iterdir()] == ["b2"]


def test_tuning_facts_are_edited_by_no_seed() -> None:
    data = source("pocket-gelu", None, ())
    tuned = {one.case.fact.subject for one in data.tuning(40)}
    assert len(tuned) == 40
    assert all(not tuned & {one.case.fact.subject for one in data.facts(seed, 100)} for seed in (0, 1))


def test_knowedit_gives_its_first_facts_and_keeps_its_last_for_tuning(tmp_path: Path) -> None:
    path = listed(tmp_path / "recent.json", *(wikidata(f"Person {at}") for at in range(60)))
    data = source("gpt2", "knowedit", [path])
    first, other = data.facts(0, 5), data.facts(1, 5)
    assert [one.case.fact.subject for one in first] == [f"Person {at}" for at in range(5)] and first != other
    assert [one.case.fact.subject for one in data.tuning(2)] == ["Person 20", "Person 21"]
    assert data.title == "knowedit-recent" and data.described == {
        "name": "knowedit",
        "files": ["recent.json"],
        "skipped": {},
    }
    with pytest.raises(InputError, match="21 facts are wanted and knowedit gives 20"):
        data.facts(0, 21)
    with pytest.raises(InputError, match="41 tuning facts"):
        data.tuning(41)


def test_a_subject_of_the_tuning_facts_is_in_no_other(tmp_path: Path) -> None:
    rows = [wikidata(f"Person {at}") for at in range(60)]
    again = {**wikidata("Person 30"), "prompt": "The place of birth of Person 30 is"}
    data = source("gpt2", "knowedit", [listed(tmp_path / "recent.json.gz.json", again, *rows)])
    assert data.title == "knowedit-recent"
    assert "Person 30" not in {one.case.fact.subject for one in data.facts(0, 20)}
    with pytest.raises(InputError, match="21 facts are wanted and knowedit gives 20"):
        data.facts(0, 21)
    few = source("gpt2", "knowedit", [listed(tmp_path / "few.json", *rows[:5])])
    for ask in (lambda: few.facts(0, 1), lambda: few.tuning(6)):
        with pytest.raises(InputError, match="ask for fewer"):
            ask()


def test_an_embedded_model_without_so_many_facts_says_so() -> None:
    with pytest.raises(InputError, match="1000000 facts are wanted and pocket-gelu gives"):
        source("pocket-gelu", None, ()).facts(0, 1_000_000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model", "gpt2"], "--data knowedit"),
        (["--data", "knowedit"], "Expected one file of knowedit"),
        (["--data", "knowedit", "a.json", "b.json"], "found 2: give one"),
        (["--shares", "3"], "in (0, 1], found 3"),
        (["--layers", "9"], "Expected layers from 0 to 5"),
        (["--facts", "20", "--batches", "1,100"], "found 100"),
        (["--data", "wiki", "x.json"], "choose knowedit"),
        (["--arms", "kne"], "no arm 'kne'"),
        (["--batches", "1,a"], "--batches 1,10"),
        (["--batches", "1.5"], "not whole"),
    ],
)
def test_a_wrong_command_says_what_to_give(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "kne", *given, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_the_command_renders_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--arms", "rome,kne-robust", "--facts", "3", "--seeds", "1", "--tuning", "0", "--out", str(tmp_path)]
    assert main(["reproduce", "kne", *given, "--render"]) == 0
    assert "0 of 2 parts are measured" in capsys.readouterr().out
    page = (tmp_path / "kne-pocket-gelu.md").read_text(encoding="utf-8")
    assert "rome, single edits, seed 0" in page and "Not measured." in page
    assert main(["reproduce", "kne", *given, "--render", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["units"]["measured"] == 0


def test_a_result_with_more_parts_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kne-pocket-gelu.json"
    path.write_text('{"units": {"measured": 7}}', encoding="utf-8")
    given = ["--arms", "rome", "--facts", "3", "--seeds", "1", "--tuning", "0", "--out", str(tmp_path)]
    assert main(["reproduce", "kne", *given, "--render"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "holds 7 measured parts and this result 0" in said and "choose another --out" in said
    assert path.read_text(encoding="utf-8") == '{"units": {"measured": 7}}'
    assert not list(tmp_path.glob("*.md"))


def test_the_help_names_the_arms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "kne", "--help"]) == 0
    assert "kne-robust" in capsys.readouterr().out

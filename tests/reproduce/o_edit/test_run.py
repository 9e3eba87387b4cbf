"""The whole measurement on a few edits of an embedded model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errata.cli import main
from errata.errors import EditError, InputError
from errata.reproduce.o_edit import Plan, reproduce
from errata.reproduce.o_edit.batteries import battery
from errata.reproduce.o_edit.plan import Arm
from errata.reproduce.source import source

QUICK = {"values": {"steps": 2}, "context_lengths": [2], "use_covariance": False}
FEW = Plan(
    model="pocket-gelu",
    arms=(Arm("rome", "rome", QUICK),),
    edits=4,
    lengths=(1, 2),
    watched=(3,),
    batches=(1, 2),
    seeds=(0,),
    single=2,
    ablation=0,
    switches=(),
    no_covariance=(),
    known=4,
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def result(work: Path) -> dict[str, Any]:
    return reproduce(source("pocket-gelu", None, ()), FEW, work, "errata reproduce o-edit", silent=True)


def test_every_checkpoint_is_a_row(result: dict[str, Any]) -> None:
    rows = {batch: [row["edits"] for row in arms["rome"]] for batch, arms in result["sequences"].items()}
    assert rows == {"1": [1, 2, 3, 4], "2": [2, 4]}
    last = result["sequences"]["1"]["rome"][-1]
    assert all(0 <= last[name]["mean"] <= 1 for name in ("efficacy", "after_efficacy", "specificity", "known"))
    assert last["relative"]["mean"] > 0 and last["space"]["mean"] > 0
    assert result["width"] == {"d_model": 256, "d_ff": 1024}
    assert result["units"] == {"planned": 3, "measured": 3, "missing": [], "failed": []}
    assert result["arms"]["rome"]["values"]["steps"] == 2 and result["arms"]["rome"]["layer"] == 1
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_single_edits_are_scored_fact_by_fact(result: dict[str, Any]) -> None:
    found = result["single"]["arms"]["rome"]
    assert found["scores"]["efficacy"]["n"] == 2 and found["seconds_per_edit"] > 0 and found["failed"] == 0


def test_what_is_done_is_not_done_again(result: dict[str, Any], work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.reproduce.o_edit.run.measure", None)
    again = reproduce(source("pocket-gelu", None, ()), FEW, work, "errata reproduce o-edit", silent=True)
    assert again == result


def test_a_result_is_made_of_what_is_there(result: dict[str, Any], work: Path, tmp_path: Path) -> None:
    for path in work.glob("sequence-b1-*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = reproduce(source("pocket-gelu", None, ()), FEW, tmp_path, "", measuring=False, silent=True)
    assert found["units"]["missing"] == ["rome, single edits, seed 0", "rome, batches of 2, seed 0"]
    assert found["sequences"]["1"] == result["sequences"]["1"] and found["sequences"]["2"]["rome"] == []
    assert found["single"]["arms"] == {}


def test_a_unit_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from errata.reproduce.o_edit import run

    measure = run.measure

    def failing(view: Any, plan: Any, unit: Any, battery: Any) -> dict[str, Any]:
        if unit.kind == "single":
            raise RuntimeError("out of luck")
        return measure(view, plan, unit, battery)

    monkeypatch.setattr(run, "measure", failing)
    with pytest.raises(EditError, match=r"1 of 2 parts .* rome, single edits, seed 0: out of luck"):
        plan = replace(FEW, edits=2, batches=(2,))
        reproduce(source("pocket-gelu", None, ()), plan, tmp_path, "", silent=True)
    assert [path.name[:8] for path in tmp_path.iterdir()] == ["sequence"]
    assert "Not measured: rome, single edits, seed 0: out of luck" in capsys.readouterr().err


def test_edits_that_fail_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise EditError("The value optimisation diverged.")

    monkeypatch.setattr("errata.editors.rome.optimise_values", refuse)
    plan = replace(FEW, edits=2, batches=(2,))
    found = reproduce(source("pocket-gelu", None, ()), plan, tmp_path, "", silent=True)
    assert [(row["unit"], row["facts"]) for row in found["units"]["failed"]] == [
        ("rome, single edits, seed 0", 2),
        ("rome, batches of 2, seed 0", 2),
    ]
    assert found["sequences"]["2"]["rome"][-1]["efficacy"] is None
    assert found["single"]["arms"]["rome"]["scores"]["efficacy"]["mean"] == 0


def cases(path: Path, count: int) -> Path:
    rows = [
        {
            "subject": f"Person {at}",
            "template": "{} was born in",
            "relation_id": "P19",
            "target_true": "Rome",
            "target_new": "Paris",
            "rephrase_prompt": f"Person {at} comes from",
            "locality_prompt": "Ada was born in",
            "locality_ground_truth": "London",
        }
        for at in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_data_set_gives_its_first_facts_and_others_to_keep(tmp_path: Path) -> None:
    data = source("gpt2", "counterfact", [cases(tmp_path / "cf.jsonl", 20)])
    first, other = battery(data, 0, 5, 4), battery(data, 1, 5, 30)
    assert [case.fact.subject for case in first.cases] == [f"Person {at}" for at in range(5)]
    assert len(first.known) == 4 and not {f"Person {at} was born in" for at in range(5)} & {
        probe.prompt for probe in first.known
    }
    assert len(other.known) == 15 and len(other.cases) == 5 and other != battery(data, 2, 5, 30)
    assert data.described["files"] == ["cf.jsonl"]
    with pytest.raises(InputError, match="30 edits are wanted and counterfact gives 20"):
        battery(data, 0, 30, 4)


def test_facts_on_which_settings_were_chosen_are_left_out() -> None:
    from errata.datasets import pocket

    tuned = {case.fact.subject for case in pocket.cases("gelu", 40, 1)}
    assert not tuned & {case.fact.subject for case in battery(source("pocket-gelu", None, ()), 1, 100, 10).cases}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model", "gpt2"], "--data"),
        (["--data", "counterfact"], "give its file"),
        (["--data", "wiki", "x.json"], "counterfact, zsre"),
        (["--arms", "rom"], "no editor 'rom'"),
        (["--arms", "rome", "--batches", "a"], "--batches 1,50"),
    ],
)
def test_a_wrong_command_says_what_to_give(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "o-edit", *given, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_the_command_renders_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--arms", "rome", "--edits", "4", "--seeds", "1", "--batches", "2", "--single", "0", "--ablation", "0"]
    assert main(["reproduce", "o-edit", *given, "--out", str(tmp_path), "--render"]) == 0
    assert "0 of 1 parts are measured" in capsys.readouterr().out
    page = (tmp_path / "o-edit-pocket-gelu.md").read_text(encoding="utf-8")
    assert "rome, batches of 2, seed 0" in page and "reconstruction of O-Edit" in page
    assert json.loads((tmp_path / "o-edit-pocket-gelu.json").read_text(encoding="utf-8"))["units"]["measured"] == 0
    assert not (tmp_path / "editing.json").exists()


def test_several_processes_measure_the_same(result: dict[str, Any], tmp_path: Path) -> None:
    again = reproduce(source("pocket-gelu", None, ()), FEW, tmp_path, "errata reproduce o-edit", 2, silent=True)
    assert again["sequences"] == result["sequences"] and again["units"] == result["units"]


def test_a_model_of_another_width_has_an_embedded_models_facts() -> None:
    own, others = source("pocket-gelu", None, ()), source("some/folder", "pocket-gelu", ())
    assert battery(own, 0, 3, 2) == battery(others, 0, 3, 2)
    with pytest.raises(InputError, match="no facts of its own"):
        source("some/folder", None, ())

"""The whole reproduction on a few facts of an embedded model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from errata.cli import main
from errata.datasets import pararel
from errata.errors import InputError
from errata.reproduce.land import Plan, reproduce
from errata.reproduce.land.run import parts_of
from errata.reproduce.land.sets import METHODS
from errata.training.recipe import FactCodeRecipe, LandRecipe

FEW = Plan(
    model="pocket-gelu",
    facts=4,
    train_facts=12,
    seeds=(0,),
    land=LandRecipe(epochs=1),
    fact_code=FactCodeRecipe(steps=20, batch=8),
    lambdas=(1.0, 4.0),
    related=1,
    unrelated=1,
    neighbours=2,
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def result(work: Path) -> dict[str, Any]:
    return reproduce(pararel.embedded("gelu"), FEW, work, "errata reproduce land", silent=True)


def test_every_method_is_in_every_table(result: dict[str, Any]) -> None:
    for table in ("identification", "amplification", "suppression", "editing", "curve", "equal_damage"):
        assert tuple(result[table]) == METHODS
    assert result["protocol"]["counterfactual"] + result["protocol"]["answer"] == 4
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_must_hold_holds(result: dict[str, Any]) -> None:
    found = {
        name: {key: value and value["mean"] for key, value in row.items()}
        for name, row in result["identification"].items()
    }
    assert all(row["n_uo"] == row["n_s"] <= row["n_u"] for row in found.values())
    assert found["kn_refined"]["r_so"] == 1
    assert found["fact_code"]["n_s"] == FEW.fact_code.size
    for name in ("knowledge_neurons", "land", "fact_code"):
        assert found[f"random_as_{name}"]["n_s"] == pytest.approx(found[name]["n_s"])
        assert result["editing"][name]["neurons"]["mean"] == pytest.approx(found[name]["n_s"])
    counts = result["figure1"]["methods"]["knowledge_neurons"]
    assert sum(counts["r_so"]) == 4 * 45 and sum(counts["r_uo"]) == 4
    assert result["before"]["same"]["mean"] < 0.5


def test_the_same_seed_gives_the_same_tables(result: dict[str, Any], work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "identified", tmp_path / "identified")
    again = reproduce(pararel.embedded("gelu"), FEW, tmp_path, "errata reproduce land", silent=True)
    assert {**again, "seconds": None} == {**result, "seconds": None}


def test_what_is_done_is_not_done_again(result: dict[str, Any], work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.reproduce.land.run.train", None)
    again = reproduce(pararel.embedded("gelu"), FEW, work, "errata reproduce land", silent=True)
    assert again == result


@pytest.mark.parametrize("seed", range(3))
def test_no_fact_of_the_test_part_is_in_training(seed: int) -> None:
    learnt, measured = parts_of(pararel.embedded("swiglu"), Plan("pocket-swiglu"), seed)
    assert len(measured) == 120 and len(learnt) > 2000
    assert not {(f.relation, f.subject) for f in learnt} & {(f.relation, f.subject) for f in measured}


def test_too_many_facts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5000 held-out facts are wanted"):
        reproduce(pararel.embedded("gelu"), Plan("pocket-gelu", facts=5000), tmp_path, "", silent=True)


def test_a_model_without_facts_needs_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "land", "--model", "gpt2"]) == 2
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_numbers_page_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    given = ["--facts", "4", "--train-facts", "20", "--seeds", "1", "--epochs", "1", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["errata", "reproduce", "land", *given, "--out", str(out), "--sweep"])
    assert main() == 0
    assert "wanted" in capsys.readouterr().out
    result = json.loads((out / "land-pocket-gelu.json").read_text(encoding="utf-8"))
    page = (out / "land-pocket-gelu.md").read_text(encoding="utf-8")
    assert result["command"].startswith("errata reproduce land --facts 4") and len(result["sweep"]["rows"]) > 10
    assert all((out / name).exists() for name in page.split("](")[1:2]) and "paper, GPT-2" in page

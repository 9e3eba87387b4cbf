"""The whole grid on two facts of an embedded model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from errata.errors import EditError
from errata.evaluation.probes import probe
from errata.methods import localizer
from errata.reproduce.grid import plan_of, reproduce
from errata.reproduce.source import source

FEW = plan_of("pocket-gelu", ["knowledge_neurons", "land"], ["neuron_values-printed"], facts=2, seeds=(0,))
POCKET = source("pocket-gelu", None, ())


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def result(work: Path) -> dict[str, Any]:
    return reproduce(POCKET, FEW, work, "errata grid", silent=True)


def test_every_localizer_stands_beside_its_control(result: dict[str, Any]) -> None:
    order = [(row["view"], row["localizer"], row["random"]) for row in result["cells"]]
    assert order == [
        (view, name, random)
        for view in ("own", "matched")
        for name in ("knowledge_neurons", "land")
        for random in (False, True)
    ]
    assert result["units"] == {"planned": 4, "measured": 4, "missing": [], "failed": []}
    for chosen, control in zip(result["cells"][::2], result["cells"][1::2], strict=True):
        assert chosen["neurons"] == control["neurons"] > 0 and chosen["norm"] > 0 < chosen["attribution_seconds"]
    assert [row["neurons"] for row in result["cells"][4:]] == [20.0] * 4
    assert result["editors"]["neuron_values-printed"]["lambda_old"] == 2.0
    assert result["localizers"]["knowledge_neurons"]["threshold"] == 0.3
    assert result["localizers"]["land"]["input_threshold"] == 0.3 and result["localizers"]["land"]["threshold"] > 1
    assert result["data"]["facts"] == 2 and result["once"] == []
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_differences_are_those_of_the_cells(result: dict[str, Any]) -> None:
    means = {(row["view"], row["localizer"], row["random"]): row["mean"]["mean"] for row in result["cells"]}
    kinds = [(row["kind"], row["view"], row["localizer"]) for row in result["contrasts"]]
    assert kinds.count(("completion", "own", "land")) == 1 and len(kinds) == 6
    for row in result["contrasts"]:
        own = means[row["view"], row["localizer"], False]
        other = means[row["view"], row["against"], row["kind"] == "control"]
        assert row["mean"]["mean"] == pytest.approx(own - other, abs=1e-5)
        low, high = row["mean"]["interval"]
        assert low <= row["mean"]["mean"] <= high


def test_chosen_neurons_write_the_answer_and_random_ones_do_not(result: dict[str, Any]) -> None:
    efficacy = {(row["view"], row["localizer"], row["random"]): row["efficacy"]["mean"] for row in result["cells"]}
    assert efficacy["matched", "land", False] > efficacy["matched", "land", True]


def test_what_is_done_is_not_done_again(result: dict[str, Any], work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.reproduce.grid.run.measure", None)
    monkeypatch.setattr("errata.reproduce.grid.run.attribute", None)
    assert reproduce(POCKET, FEW, work, "errata grid", silent=True) == result


def test_attributions_are_made_once_for_all_editors(
    result: dict[str, Any], work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in work.glob("attributions-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("errata.reproduce.grid.run.attribute", None)
    plan = replace(FEW, editors=("neuron_values-norm",), localizers=("land",), views=("own",))
    found = reproduce(POCKET, plan, tmp_path, "", silent=True)
    assert found["units"]["measured"] == 1 and found["cells"][0]["neurons"] == result["cells"][2]["neurons"]


def test_a_result_is_made_of_what_is_there(result: dict[str, Any], work: Path, tmp_path: Path) -> None:
    for path in work.glob("own-*-land-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = reproduce(POCKET, FEW, tmp_path, "", measuring=False, silent=True)
    assert found["units"]["measured"] == 1 and len(found["units"]["missing"]) == 3
    assert found["cells"] == result["cells"][2:4]
    assert [row["kind"] for row in found["contrasts"]] == ["control"]


def test_a_unit_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(FEW, localizers=("value_vectors", "activation"), views=("own",), facts=1)

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("errata.localizers.value_vectors.ValueVectors.attribute", refuse)
    with pytest.raises(EditError, match=r"2 of 4 parts .* value_vectors, attributions, seed 0: out of luck"):
        reproduce(POCKET, plan, tmp_path, "", silent=True)
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["attributions", "own"]
    assert "its attributions could not be computed" in capsys.readouterr().err


def test_edits_that_fail_are_counted_as_the_unedited_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise EditError("The optimisation diverged.")

    monkeypatch.setattr("errata.editors.neuron_values.NeuronValues._edit", refuse)
    plan = replace(FEW, localizers=("activation",), views=("own",), facts=1)
    found = reproduce(POCKET, plan, tmp_path, "", silent=True)
    assert [(row["unit"], row["edits"], row["error"]) for row in found["units"]["failed"]] == [
        (f"activation × neuron_values-printed, own, seed 0, {side}", 1, "The optimisation diverged.")
        for side in ("chosen", "random")
    ]
    chosen = found["cells"][0]
    assert chosen["efficacy"]["mean"] == 0 and chosen["specificity"]["mean"] == 1
    assert (chosen["failed"], chosen["empty"], chosen["neurons"], chosen["norm"]) == (1, 0, None, None)


def test_the_unedited_model_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def watched(view: Any, cases: Any) -> Any:
        asked.append(len(cases))
        return probe(view, cases)

    monkeypatch.setattr("errata.reproduce.grid.measure.probe", watched)
    plan = replace(FEW, localizers=("land",), editors=("neuron_values-printed", "neuron_values-norm"))
    reproduce(POCKET, plan, tmp_path, "", silent=True)
    assert asked == [2] + [1] * 2 * 2 * 2 * 2


def test_a_fact_without_neurons_is_counted_and_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(FEW, localizers=("activation",), views=("own",), facts=2)
    emptied: list[str] = []
    whole = localizer("activation")
    plain = type(whole).attribute

    def first_empty(self: Any, view: Any, facts: Any) -> Any:
        (one,) = plain(self, view, facts)
        emptied.append(facts[0].subject)
        return [replace(one, neurons=replace(one.neurons, members=frozenset()))] if len(emptied) == 1 else [one]

    monkeypatch.setattr(type(whole), "attribute", first_empty)
    found = reproduce(POCKET, plan, tmp_path, "", silent=True)
    for row in found["cells"]:
        assert (row["edits"], row["failed"], row["empty"]) == (2, 1, 1)
        assert row["neurons"] > 100 and row["norm"] > 0 and row["specificity"]["n"] == 2

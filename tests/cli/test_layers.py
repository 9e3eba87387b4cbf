"""`errata layers`: every candidate is tried on the same facts, and the best one named."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

FACTS = [
    {
        "subject": "France",
        "prompt": "The capital of {} is",
        "target": "Rome",
        "neighbours": ["The capital of Spain is=Madrid"],
    },
    {"subject": "Dante", "prompt": "The mother tongue of {} is", "target": "French"},
]
SMALL = ["--set", "values.steps=2", "--set", "context_lengths=[2]", "--set", "covariance_tokens=100"]


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in FACTS), encoding="utf-8")
    return path


def test_it_names_the_best_candidate(run: Run, folder: Path, facts: Path) -> None:
    found = run("layers", folder, "--file", facts, *SMALL, "--json").json
    assert [row["settings"] for row in found["candidates"]] == [{"layer": 0}, {"layer": 1}, {"layer": 2}]
    assert found["facts"] == 2 and found["method"] == "rome"
    best = max(row["mean"] for row in found["candidates"])
    assert next(row["mean"] for row in found["candidates"] if row["settings"] == found["recommended"]) == best
    shown = run("layers", folder, "--file", facts, "--layers", "2", *SMALL)
    assert shown.code == 0 and "--set layer=2" in shown.out and "use this" in shown.out


def test_pocket_facts_are_known(run: Run) -> None:
    found = run("layers", "pocket-swiglu", "--facts", 1, "--layers", "1", *SMALL, "--json").json
    assert found["facts"] == 1 and found["recommended"] == {"layer": 1}
    assert set(found["candidates"][0]) == {
        "settings",
        "efficacy",
        "paraphrase",
        "neighbours",
        "mean",
        "seconds",
        "error",
    }


def test_what_cannot_be_tried_is_refused(run: Run, folder: Path, facts: Path) -> None:
    assert "--file" in run("layers", folder).err
    assert "layers 0 to 2" in run("layers", folder, "--file", facts, "--layers", "9").err
    assert "nothing to choose" in run("layers", folder, "--file", facts, "--method", "neuron_values").err

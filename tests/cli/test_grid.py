"""`errata grid`: a small grid, its files, and what is there so far."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SMALL = ["--localizers", "activation", "--editors", "neuron_values-printed", "--views", "own", "--facts", 1]


def test_help_says_what_it_is_for(run: Run) -> None:
    text = run("grid", "--help").out
    assert "does it matter which neurons are edited" in " ".join(text.split())
    assert all(option in text for option in ("--render", "--seeds", "--facts", "--localizers", "--editors", "--work"))


def test_both_models_stand_in_one_file_and_on_one_page(run: Run, tmp_path: Path) -> None:
    words = ["grid", *SMALL, "--seeds", 1, "--workers", 1, "--out", tmp_path, "--pages", tmp_path / "pages"]
    found = run(*words, "--json").json
    assert found["model"] == "pocket-gelu" and found["units"] == {
        "planned": 1,
        "measured": 1,
        "missing": [],
        "failed": [],
    }
    shown = run(*words, "--model", "pocket-swiglu", "--render")
    assert shown.code == 0 and "0 of 1 parts are measured" in shown.out
    held = json.loads((tmp_path / "grid.json").read_text(encoding="utf-8"))
    assert list(held["models"]) == ["pocket-gelu", "pocket-swiglu"] and held["models"]["pocket-gelu"] == found
    page = (tmp_path / "pages" / "grid.md").read_text(encoding="utf-8")
    assert "](grid-pocket-gelu-heat.png)" in page and "**On `pocket-swiglu` 1 of 1 parts were not measured:**" in page
    assert (tmp_path / "pages" / "grid-pocket-gelu-heat.png").exists()
    other = run(*words, "--work", tmp_path / "elsewhere", "--render")
    assert other.code == 2 and "holds 1 measured parts and this result 0" in other.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model", "gpt2"], "--data"),
        (["--localizers", "lands"], "no localizer 'lands'"),
        (["--editors", "rome"], "no editor 'rome' in the grid"),
        (["--views", "all"], "no view 'all'"),
        (["--facts", 5000], "give --facts a smaller number"),
    ],
)
def test_a_wrong_command_says_what_to_give(run: Run, given: list[object], message: str, tmp_path: Path) -> None:
    result = run("grid", *given, "--out", tmp_path, "--render")
    assert result.code == 2 and message in result.err.replace("\n", " ")


def test_a_file_of_something_else_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text("[]", encoding="utf-8")
    result = run("grid", *SMALL, "--seeds", 1, "--out", tmp_path, "--render")
    assert result.code == 2 and "holds no grid" in result.err
    assert (tmp_path / "grid.json").read_text(encoding="utf-8") == "[]"

"""The examples run as they stand, in an empty folder, and say what they are for; notebooks say what is committed."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

from benchmarks._notebooks import executed
from tests.test_architecture import MACHINE_PATHS
from tests.told import same

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "fix_a_fact": ["The mother tongue of Danielle Darrieux is French → English", "of 20 prompts 10 better, 0 worse"],
    "take_one_back": [
        "as before: True",
        "applied now: 1 3",
        "been made: True",
        "applied again: 1 2 3",
        "recorded: True",
    ],
    "compare_methods": ["rome − ft_m, the same 6 facts", "efficacy 1.000"],
    "see_neurons": ["Danielle Darrieux is French:", "promotes", "with these neurons times 0: "],
    "ship_an_adapter": ["an adapter of rank 1; efficacy 1 ", "logits: True", "the base model answers: French"],
}
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert [words for words in SAYS[script.stem] if words not in printed] == [], printed


def test_every_example_is_short_and_listed() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w.]+)\)", page)) == {path.name for path in [*SCRIPTS, *NOTEBOOKS]}
    assert {path.stem for path in SCRIPTS} == set(SAYS)
    assert all(path.read_text(encoding="utf-8").count("\n") <= 40 for path in SCRIPTS)


def printed(cell: dict[str, Any]) -> str:
    """What a cell printed, its figures left out."""
    return "".join("".join(output.get("text", "")) for output in cell.get("outputs", ()))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_what_is_committed(notebook: Path, tmp_path: Path) -> None:
    committed = nbformat.read(notebook, 4)
    for before, after in zip(committed.cells, executed(notebook, tmp_path).cells, strict=True):
        assert same(printed(before), printed(after)), f"{printed(before)}\n--- is now\n{printed(after)}"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_whole_and_names_no_machine(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell["outputs"] for cell in cells) and not re.search(f"{MACHINE_PATHS}|/tmp/|file://", text)
    assert not any(output["output_type"] == "error" for cell in cells for output in cell["outputs"])
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell["outputs"])

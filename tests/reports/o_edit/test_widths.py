"""Results of models of different width side by side."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from errata.cli import main
from errata.errors import InputError
from errata.reports.o_edit.widths import by_width, page, shared


@pytest.fixture
def models(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A wide and a narrow model; the narrow one with two arms in batches alone."""
    wide = {**result, "model": "wide", "width": {"d_model": 384, "d_ff": 1152}}
    narrow = {**deepcopy(result), "model": "narrow", "width": {"d_model": 128, "d_ff": 384}}
    held = narrow["sequences"]["50"]
    narrow["sequences"] = {"1": {}, "50": {arm: held[arm] for arm in ("rome", "alphaedit")}}
    for row in narrow["sequences"]["50"]["rome"]:
        row["efficacy"] = {"mean": 0.123, "interval": None, "seeds": [0.123]}
    return [wide, narrow]


def test_narrowest_first_and_only_what_two_have(models: list[dict[str, Any]]) -> None:
    found = by_width(models)
    assert [one["model"] for one in found] == ["narrow", "wide"]
    assert shared(found) == {"50": ["rome", "alphaedit"]}


def test_each_row_is_its_model_s(models: list[dict[str, Any]]) -> None:
    text = page(by_width(models), {"50": "o-edit-widths-b50.png"})
    after = text[text.index("After 1000 edits") :]
    assert "| ROME | d_model 128, d_ff 384 | 12.3 % |" in after
    assert "| ROME | d_model 384, d_ff 1152 | 52.0 ± 1.0 % |" in after
    assert "Edits one by one" not in text and "MEMIT" not in text


def test_the_command_writes_page_and_figures(
    models: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"o-edit-{one['model']}.json" for one in models]
    for file, one in zip(files, models, strict=True):
        file.write_text(json.dumps(one))
    command = ["reproduce", "o-edit-widths", *map(str, files), "--pages", str(tmp_path / "docs"), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["compared"] == {"50": ["rome", "alphaedit"]}
    assert (tmp_path / "docs/o-edit-widths-b50.png").stat().st_size > 10_000
    assert "o-edit-widths-b50.png" in (tmp_path / "docs/o-edit-widths.md").read_text()


def test_what_is_no_result_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.json").write_text("[]")
    assert main(["reproduce", "o-edit-widths", str(tmp_path / "other.json")]) == 2
    assert "holds no sequences of edits" in capsys.readouterr().err


def test_results_without_a_width_are_named(models: list[dict[str, Any]]) -> None:
    models[0].pop("width")
    with pytest.raises(InputError, match="'wide'"):
        by_width(models)
    with pytest.raises(InputError, match="found 1"):
        by_width(models[1:])

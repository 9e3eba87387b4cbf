"""A result is not replaced by one of fewer measured parts."""

import json
from pathlib import Path
from typing import Any

import pytest

from errata.cli.measuring import require_no_less
from errata.errors import InputError


def result(measured: int) -> dict[str, Any]:
    return {"units": {"planned": 9, "measured": measured}}


def test_a_file_of_more_parts_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kne.json"
    require_no_less(path, result(0))
    path.write_text(json.dumps(result(7)), encoding="utf-8")
    require_no_less(path, result(7))
    with pytest.raises(InputError, match=r"kne.json holds 7 measured parts and this result 6: .* another --out"):
        require_no_less(path, result(6))


def test_of_several_models_one_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    path.write_text(json.dumps({"models": {"a": result(7), "b": {}}}), encoding="utf-8")
    for model in ("b", "c"):
        require_no_less(path, result(0), model)
    with pytest.raises(InputError, match="holds 7 measured parts"):
        require_no_less(path, result(0), "a")


@pytest.mark.parametrize("content", ["no JSON", "[]", "{}", '{"units": 3}', '{"models": []}'])
def test_a_file_that_is_no_result_is_in_no_ones_way(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    require_no_less(path, result(0))
    require_no_less(path, result(0), "a")

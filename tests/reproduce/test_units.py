"""Units that share a file, that fail, and that take their process with them."""

import json
import os
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from errata.errors import EditError
from errata.model.view import ModelView
from errata.reproduce import units
from errata.reproduce.units import measure_missing, read_json, require_all, unmeasured
from tests.tiny import tiny

WORKERS = pytest.mark.parametrize("workers", [1, 2])


@dataclass(frozen=True)
class Part:
    name: str


def written(log: Path, view: ModelView, part: Part) -> bytes:
    """A file's content; every call leaves a line in the log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{part.name}\n")
    if part.name == "dies":
        os._exit(3)
    if part.name == "fails":
        raise RuntimeError("out of luck")
    return json.dumps({"part": part.name}).encode()


def measured(folder: Path, names: list[tuple[str, str]], workers: int) -> tuple[list[str], list[str]]:
    """What went wrong, and the parts that were measured, in no order."""
    works = [(Part(name), folder / f"{file}.json") for name, file in names]
    log = folder / "log"
    failures = measure_missing(works, partial(written, log), "pocket-gelu", None, workers, silent=True)
    return failures, sorted(log.read_text(encoding="utf-8").split())


@WORKERS
def test_units_that_share_a_file_are_measured_once(tmp_path: Path, workers: int) -> None:
    names = [("a", "one"), ("b", "one"), ("c", "two"), ("a", "one")]
    assert measured(tmp_path, names, workers) == ([], ["a", "c"])
    assert read_json(tmp_path / "one.json") == {"part": "a"} and read_json(tmp_path / "none.json") is None


def test_what_is_there_by_now_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.json"

    def meanwhile(*_: Any, **__: Any) -> ModelView:
        path.write_text("{}", encoding="utf-8")
        return tiny("gpt2")

    monkeypatch.setattr(units, "load", meanwhile)
    assert measure_missing([(Part("a"), path)], partial(written, tmp_path / "log"), "any", None, 1, silent=True) == []
    assert not (tmp_path / "log").exists() and unmeasured([(Part("a"), path)]) == []


@WORKERS
def test_a_unit_that_fails_keeps_no_other_from_being_measured(tmp_path: Path, workers: int) -> None:
    failures, found = measured(tmp_path, [("fails", "one"), ("b", "two"), ("c", "three")], workers)
    assert failures == ["fails: out of luck"] and found == ["b", "c", "fails"]
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["three.json", "two.json"]
    with pytest.raises(EditError, match=r"1 of 3 parts .* fails: out of luck"):
        require_all(failures, 3)


def test_a_process_that_dies_raises(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        measured(tmp_path, [("dies", "one"), ("dies", "two")], 2)

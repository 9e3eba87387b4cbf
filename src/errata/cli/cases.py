"""Cases from the command line: a fact and the prompts that test it, from options or a JSONL file.

What a line of a JSONL file may hold, errata.datasets.jsonl says; of what goes beyond a case nothing is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from errata.datasets import jsonl, records
from errata.errors import InputError
from errata.facts import SLOT, Case, Fact, Probe

T = TypeVar("T")


def case_of(fact: Fact, paraphrases: Iterable[str] = (), neighbours: Iterable[str] = ()) -> Case:
    """A case from texts; raises InputError for an empty prompt or a neighbour that is not PROMPT=ANSWER."""
    prompts = tuple(_prompt(text.replace(SLOT, fact.subject)) for text in paraphrases)
    return Case(fact, prompts, tuple(map(jsonl.neighbour, neighbours)))


def read_cases(path: Path) -> list[tuple[int, Case]]:
    """Every case of a JSONL file with its line number; raises InputError, with file and line, for a broken one."""
    return _read(path, _case, "facts")


def read_probes(path: Path) -> list[Probe]:
    """Every line of a JSONL file of objects with `prompt` and `answer`; raises InputError as `read_cases` does."""
    return [probe for _, probe in _read(path, jsonl.probe, "known facts")]


def _read(path: Path, convert: Callable[[str, dict[str, Any]], T], what: str) -> list[tuple[int, T]]:
    found = [(int(place.rpartition(" ")[2]), convert(place, row)) for place, row in records.lines(path)]
    if not found:
        raise InputError(f"The file {path} holds no {what}: give one JSON object a line.")
    return found


def _case(place: str, row: dict[str, Any]) -> Case:
    found = jsonl.examination(place, row)
    if found.more:
        raise InputError(f"{place}: facts under 'more' are edited together, which is not done here; give each a line.")
    return found.case


def _prompt(text: str) -> str:
    if not text.strip():
        raise InputError("A paraphrase is empty: give a prompt that ends where its answer begins.")
    return text.rstrip()

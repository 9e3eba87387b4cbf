"""The prompts of a bulk run: a JSONL or Parquet file, one prompt a row.

A row has `prompt` and, if wanted, `id`, `subject`, `answer` and `relation`. `{}` stands for the subject in the prompt.
Without an id, a row goes by its number, counted from 0. Without a subject, the whole prompt is the subject: attribution
at the prompt's last position does not look at it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from errata.datasets import records
from errata.errors import UNREADABLE, InputError
from errata.facts import SLOT, Fact

FIELDS = ("prompt", "id", "subject", "answer", "relation")
TEXTS = ("prompt", "subject", "answer", "relation")
PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a file: its id and the fact it asks for."""

    id: str
    fact: Fact


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Every prompt of a file; raises InputError, with file and line, for a broken row or an id that is there twice."""
    path = Path(path)
    found: dict[str, Prompt] = {}
    places: dict[str, str] = {}
    for place, row in _rows(path):
        try:
            prompt = _prompt(row, len(found))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if prompt.id in places:
            raise InputError(
                f"{place}: the id {prompt.id!r} is that of {places[prompt.id]} too; give every prompt an id of "
                "its own, or none an id."
            )
        found[prompt.id], places[prompt.id] = prompt, place.removeprefix(f"{path}, ")
    if not found:
        raise InputError(f"The file {path} holds no prompts: give one object with a prompt a line.")
    return tuple(found.values())


def prompts_sha256(prompts: Sequence[Prompt]) -> str:
    """SHA-256 over ids and facts in their order: the same for a JSONL and a Parquet file of the same rows."""
    digest = hashlib.sha256()
    for prompt in prompts:
        fact = prompt.fact
        row = [prompt.id, fact.subject, fact.prompt, fact.answer, fact.relation]
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def _rows(path: Path) -> Iterator[records.Record]:
    try:
        with path.open("rb") as file:
            parquet = file.read(len(PARQUET)) == PARQUET
    except OSError as error:
        raise InputError(f"The file {path} cannot be read ({error}): give a JSONL or Parquet file.") from error
    return _parquet_rows(path) if parquet else records.lines(path)


def _parquet_rows(path: Path) -> Iterator[records.Record]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except UNREADABLE as error:  # pyarrow's errors are these
        raise InputError(f"The file {path} cannot be read ({error}): give a whole Parquet file.") from error


def _prompt(row: dict[str, Any], number: int) -> Prompt:
    given = {name: value for name, value in row.items() if value is not None}
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise InputError(f"there is no field {unknown[0]!r}; the fields are {', '.join(FIELDS)}.")
    if "prompt" not in given:
        raise InputError("the field 'prompt' is missing.")
    for name in TEXTS:
        if not isinstance(given.get(name, ""), str):
            raise InputError(f"the field {name!r} is not a text.")
    text = given["prompt"].strip()
    if not text:
        raise InputError("the prompt is empty: give the text that the model continues.")
    if "subject" not in given and SLOT in text:
        raise InputError(f"the prompt {text!r} has a slot {{}} and no subject to stand there: give the subject.")
    fact = Fact(given.get("subject", text), given["prompt"], None, given.get("answer"), given.get("relation"))
    return Prompt(_id(given.get("id", number)), fact)


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"the id {value!r} is neither a text nor a whole number.")
    return str(value)

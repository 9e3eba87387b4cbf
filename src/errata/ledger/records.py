"""What a ledger records: which model it is for, its edits, and what happened to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from errata.errors import CorruptionError, InputError
from errata.facts import Fact

# The file in a ledger's directory that keeps the checkups of its sequences, one JSON object a line.
CHECKUPS = "health.jsonl"


@dataclass(frozen=True, slots=True)
class Meta:
    """Which model a ledger belongs to."""

    model: str
    fingerprint: str
    dtype: str
    created: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One edit of a ledger, without its deltas; `layers` and `ranks` hold one number a delta, `at` is UTC."""

    id: int
    method: str
    facts: tuple[Fact, ...]
    applied: bool
    at: str
    norm: float
    layers: tuple[int, ...]
    ranks: tuple[int, ...]
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `kind` is apply, undo, redo or supersede; `by` is the edit that superseded `edit`.

    `errata` is the version of Errata that wrote it, None before that was recorded.
    """

    id: int
    at: str
    kind: str
    edit: int
    by: int | None = None
    errata: str | None = None


def errata_version() -> str | None:
    """The version of Errata that runs; None where it is not installed as a package."""
    try:
        return version("errata-lm")
    except PackageNotFoundError:
        return None


def now() -> str:
    """The time, UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def listed(ids: Sequence[int], most: int = 20) -> str:
    """Ids as a sentence has them: `1, 2, 4`; of more than `most` the first, the last and how many they are."""
    if len(ids) <= most:
        return ", ".join(map(str, ids))
    return f"{', '.join(map(str, ids[: most // 2]))}, …, {ids[-1]} ({len(ids)} of them)"


def entry_of(row: tuple[Any, ...], path: Path) -> Entry:
    """An entry from its row; raises CorruptionError for a row that does not read as one."""
    number, method, facts, applied, at, norm, layers, ranks, file, sha256 = row
    try:
        known = tuple(Fact(**fact) for fact in json.loads(facts))
        numbers = tuple(json.loads(layers)), tuple(json.loads(ranks))
        if Path(file).name != file:
            raise ValueError(f"the file name {file!r} leads out of the ledger")
    except (ValueError, TypeError, InputError) as error:
        raise CorruptionError(
            f"Edit {number} in the database of the ledger at {path} is damaged ({error}): put ledger.sqlite back "
            "from a copy."
        ) from error
    return Entry(number, method, known, bool(applied), at, norm, *numbers, file, sha256)

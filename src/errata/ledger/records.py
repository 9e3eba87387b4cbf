"""What a ledger records: which model it is for, its edits, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any

from errata.errors import CorruptionError, InputError
from errata.facts import Fact
from errata.ledger.disk import plain_name
from errata.strict import json_of

# The file in a ledger's directory that keeps the checkups of its sequences, one JSON object a line.
CHECKUPS = "health.jsonl"
KINDS = ("apply", "undo", "redo", "supersede")


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


def meta_of(rows: Sequence[tuple[Any, ...]], path: Path) -> Meta:
    """Which model a ledger belongs to, from the one row that says so; raises CorruptionError for anything else."""
    if len(rows) != 1 or not _are(rows[0], str, str, str, str):
        raise _damaged("The model", path, f"expected one row of texts, found {len(rows)} rows")
    return Meta(*rows[0])


def event_of(row: tuple[Any, ...], path: Path) -> Event:
    """An event from its row; raises CorruptionError for a row that does not read as one."""
    if not _are(row, int, str, str, int, int | None, str | None) or row[2] not in KINDS:
        raise _damaged(f"Event {row[0]}", path, "it is none that a ledger records")
    return Event(*row)


def entry_of(row: tuple[Any, ...], path: Path) -> Entry:
    """An entry from its row; raises CorruptionError for a row that does not read as one."""
    number, method, facts, applied, at, norm, layers, ranks, file, sha256 = row
    try:
        if not _are(row, int, str, str, int, str, float, str, str, str, str) or number < 1:
            raise ValueError("its fields are of other kinds")
        known = tuple(Fact(**fact) for fact in json_of(facts))
        numbers = _counts(layers), _counts(ranks)
        plain_name(file)
    except (ValueError, TypeError, InputError) as error:
        raise _damaged(f"Edit {number}", path, error) from error
    return Entry(number, method, known, bool(applied), at, norm, *numbers, file, sha256)


def _are(values: Sequence[Any], *kinds: type | UnionType) -> bool:
    """Whether values are of these kinds: SQLite holds any value in any column."""
    return all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True))


def _counts(text: str) -> tuple[int, ...]:
    found = json_of(text)
    if not isinstance(found, list) or not all(type(one) is int and one >= 0 for one in found):
        raise ValueError(f"{text[:80]} is no list of whole numbers")
    return tuple(found)


def _damaged(what: str, path: Path, reason: object) -> CorruptionError:
    return CorruptionError(
        f"{what} in the database of the ledger at {path} is damaged ({reason}): put ledger.sqlite back from a copy."
    )

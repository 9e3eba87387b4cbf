"""Cases out of a data set's records, in order, with a count of the records that were left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from errata.errors import InputError
from errata.facts import Case, Fact

Kind = TypeVar("Kind")

REPEATED = "subject and relation seen before"
TRUE_ALREADY = "target is an answer already"
NO_TARGET = "no target"


@dataclass(frozen=True, slots=True)
class Collected:
    """Cases in the order of the file, and how many records were left out, by reason."""

    cases: tuple[Case, ...]
    skipped: Mapping[str, int]


def collect(
    records: Iterable[tuple[str, dict[str, Any]]],
    make: Callable[[str, dict[str, Any]], Case | str],
    count: int | None = None,
) -> Collected:
    """The first `count` cases that `make` gives for (place, record), each subject and relation once.

    For a record to leave out `make` gives the reason. Records behind the last case are not read. Raises
    InputError, with the record's place, for a record that no fact can be made of and for fewer cases than `count`.
    """
    cases, skipped = gather(records, make, lambda case: case.fact, count)
    return Collected(tuple(cases), skipped)


def gather(
    records: Iterable[tuple[str, dict[str, Any]]],
    make: Callable[[str, dict[str, Any]], Kind | str],
    fact_of: Callable[[Kind], Fact],
    count: int | None = None,
) -> tuple[list[Kind], dict[str, int]]:
    """What `collect` does, for records that become anything with a fact."""
    found: list[Kind] = []
    seen: set[tuple[str, str]] = set()
    skipped: Counter[str] = Counter()
    for place, record in records:
        if count is not None and len(found) == count:
            break
        try:
            made = make(place, record)
        except InputError as error:
            message = str(error)
            raise InputError(message if message.startswith(place) else f"{place}: {message}") from error
        if isinstance(made, str):
            skipped[made] += 1
        elif fact_of(made).key in seen:
            skipped[REPEATED] += 1
        else:
            seen.add(fact_of(made).key)
            found.append(made)
    if count is not None and len(found) < count:
        raise InputError(
            f"{count} cases are wanted and the files give {len(found)}: ask for fewer, or give more files."
        )
    return found, dict(skipped)

"""Cases out of a data set's records, in order, with a count of the records that were left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from errata.errors import InputError
from errata.facts import Case

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
    cases: list[Case] = []
    seen: set[tuple[str, str]] = set()
    skipped: Counter[str] = Counter()
    for place, record in records:
        if count is not None and len(cases) == count:
            break
        try:
            case = make(place, record)
        except InputError as error:
            message = str(error)
            raise InputError(message if message.startswith(place) else f"{place}: {message}") from error
        if isinstance(case, str):
            skipped[case] += 1
        elif case.fact.key in seen:
            skipped[REPEATED] += 1
        else:
            seen.add(case.fact.key)
            cases.append(case)
    if count is not None and len(cases) < count:
        raise InputError(
            f"{count} cases are wanted and the files give {len(cases)}: ask for fewer, or give more files."
        )
    return Collected(tuple(cases), dict(skipped))

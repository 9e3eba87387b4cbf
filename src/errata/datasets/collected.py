"""A data set: examinations out of records, in order, with a count of the records that were left out and why."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from errata.datasets.records import Record
from errata.errors import InputError, RecordError
from errata.facts import SLOT, Case, Examination

Item = TypeVar("Item")
Make: TypeAlias = Callable[[str, dict[str, Any]], Examination | str]

REPEATED = "subject and relation seen before"
TRUE_ALREADY = "target is an answer already"
NO_TARGET = "no target"
NOT_IN_PROMPT = "subject is not in the prompt"
NO_FACT = "no fact can be made of it"


@dataclass(frozen=True, slots=True)
class DataSet:
    """Examinations in the order of their source, and how many records were left out, by reason.

    `files` are what the records came from, each with `sha256:…` over its bytes or, from the hub, `commit:…`.
    """

    name: str
    examinations: tuple[Examination, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The examinations' cases."""
        return tuple(one.case for one in self.examinations)


def unfit(subject: str, prompt: str, target: str, answers: Collection[str] = ()) -> str | None:
    """Why texts that are all there make no fact to edit, or None."""
    if target in answers:
        return TRUE_ALREADY
    return None if SLOT in prompt or subject in prompt else NOT_IN_PROMPT


def judged(
    records: Iterable[tuple[str, dict[str, Any] | RecordError]], make: Make, distinct: bool = True
) -> Iterator[tuple[str, Examination | str | RecordError]]:
    """What becomes of each record: the examination that `make` gives, the reason to leave it out, or what is wrong.

    With `distinct` each subject and relation counts once.
    """
    seen: set[tuple[str, str]] = set()
    for place, record in records:
        one = record if isinstance(record, RecordError) else _made(make, place, record)
        if isinstance(one, Examination):
            repeated = distinct and one.case.fact.key in seen
            seen.add(one.case.fact.key)
            yield place, REPEATED if repeated else one
        else:
            yield place, one


def collect(
    records: Iterable[Record], make: Make, count: int | None = None, distinct: bool = True
) -> tuple[tuple[Examination, ...], dict[str, int]]:
    """The first `count` examinations, and how many records before the last of them were left out, by reason.

    Records behind it are not read. Raises RecordError for a record that cannot be used, InputError for fewer
    examinations than `count`.
    """
    found: list[Examination] = []
    skipped: Counter[str] = Counter()
    for _, one in judged(records, make, distinct):
        if isinstance(one, RecordError):
            raise one
        if isinstance(one, str):
            skipped[one] += 1
        else:
            found.append(one)
            if len(found) == count:
                break
    require(found, count)
    return tuple(found), dict(skipped)


def draw(found: Sequence[Item], seed: int, count: int) -> list[Item]:
    """Of a data set seed 0 takes the first, any other seed draws as many and keeps their order."""
    require(found, count)
    places = range(count) if seed == 0 else sorted(random.Random(seed).sample(range(len(found)), count))
    return [found[at] for at in places]


def require(found: Sequence[Any], count: int | None) -> None:
    """Raise InputError for fewer than `count`."""
    if count is not None and len(found) < count:
        raise InputError(
            f"{count} cases are wanted and the files give {len(found)}: ask for fewer, or give more files."
        )


def _made(make: Make, place: str, row: dict[str, Any]) -> Examination | str | RecordError:
    try:
        return make(place, row)
    except RecordError as error:
        return error
    except InputError as error:
        return RecordError(place, NO_FACT, str(error))

"""A file held against its layout, record by record: what loads, what is left out, and what is wrong with the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errata.datasets.catalog import layout_of
from errata.datasets.collected import judged
from errata.datasets.records import attempts
from errata.errors import InputError, RecordError

MOST = 10_000  # records that are wrong, before the file is taken for one of another layout


@dataclass(frozen=True, slots=True)
class Left:
    """A record that is sound and not used, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """How many records a file has and how many of them load; the others one by one."""

    records: int
    loaded: int
    left_out: tuple[Left, ...]
    bad: tuple[RecordError, ...]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many records are not used for the same reason."""
        return dict(Counter(one.reason for one in (*self.bad, *self.left_out)))


def check(path: str | Path, name: str = "jsonl") -> Checked:
    """Every record of a file, also behind one that is wrong.

    Raises InputError for a file that cannot be read, and for one with MOST records that are wrong.
    """
    layout = layout_of(name)
    left_out: list[Left] = []
    bad: list[RecordError] = []
    records = 0
    for place, one in judged(attempts(Path(path)), layout.examination, layout.distinct):
        records += 1
        if isinstance(one, RecordError):
            bad.append(one)
            if len(bad) == MOST:
                raise InputError(
                    f"{path} has {MOST:,} records that are not of the layout {name}, the first is {bad[0]}"
                )
        elif isinstance(one, str):
            left_out.append(Left(place, one))
    if not records:
        raise InputError(f"The file {path} holds no records: give one JSON object a line.")
    return Checked(records, records - len(left_out) - len(bad), tuple(left_out), tuple(bad))

"""The facts of every seed, and those that settings are chosen on: an embedded model's, or KnowEdit's.

An embedded model's are drawn by the seed; its tuning facts are the 40 cases of seed 1 (`pocket.cases`). Of a KnowEdit
file the last 40 are the tuning facts; of the others seed 0 takes the first, in the file's order, any other seed draws
as many and keeps their order. No fact is about a tuning fact's subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from errata.datasets.catalog import load
from errata.datasets.collected import draw
from errata.datasets.pocket_examinations import examinations
from errata.errors import InputError
from errata.facts import Examination
from errata.model.load import POCKET

KNOWEDIT = "knowedit"
# The embedded models by name.
EMBEDDED = {f"pocket-{kind}": kind for kind in POCKET}
TUNING, TUNING_SEED = 40, 1
PARAPHRASES, NEIGHBOURS = 4, 5


@dataclass(frozen=True)
class Source:
    """Where the facts come from: the embedded model of a `kind`, or what was `found` in a data set's `file`."""

    name: str
    kind: str | None = None
    file: Path | None = None
    found: tuple[Examination, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def described(self) -> dict[str, Any]:
        """What a result says of its data."""
        return {"name": self.name, "files": [self.file.name] if self.file else [], "skipped": dict(self.skipped)}

    @property
    def title(self) -> str | None:
        """The data set and its file's stem, for the names of results; None for a model's own facts."""
        return f"{self.name}-{self.file.name.partition('.')[0]}" if self.file else None

    def tuning(self, count: int) -> tuple[Examination, ...]:
        """The first tuning facts; raises InputError where there are fewer."""
        if self.kind is None:
            found = self.found[-TUNING:]
        else:
            found = tuple(_short(one) for one in examinations(self.kind, TUNING, TUNING_SEED, NEIGHBOURS))
        if count > len(found):
            raise InputError(f"{count} tuning facts are wanted and there are {len(found)}: ask for fewer.")
        return found[:count]

    def facts(self, seed: int, count: int) -> tuple[Examination, ...]:
        """The facts of a seed, none about a tuning fact's subject; raises InputError where there are fewer."""
        last = () if self.kind is None and len(self.found) < TUNING else self.tuning(TUNING)
        tuned = {one.case.fact.subject for one in last}
        if self.kind is None:
            found = self.found[:-TUNING]
        else:
            found = tuple(examinations(self.kind, count + len(tuned), seed, NEIGHBOURS))
        rest = [_short(one) for one in found if one.case.fact.subject not in tuned]
        if len(rest) < count:
            raise InputError(
                f"{count} facts are wanted and {self.name} gives {len(rest)} beside {TUNING} for tuning: ask for fewer."
            )
        return tuple(rest[:count] if self.kind is not None else draw(rest, seed, count))


def source(model: str, data: str | None, files: Sequence[str | Path]) -> Source:
    """The facts for a model: its own for an embedded model, else those of a file of KnowEdit's.

    Raises InputError for a model without facts of its own, for a data set there is not, and for several files: the
    data sets are different ones.
    """
    if data is None:
        if model not in EMBEDDED:
            raise InputError(f"{model} has no facts of its own: give --data {KNOWEDIT}, and its file.")
        return Source(model, EMBEDDED[model])
    if data != KNOWEDIT:
        raise InputError(f"There is no data set {data!r} with examinations: choose {KNOWEDIT}.")
    if len(files) != 1:
        raise InputError(
            f"Expected one file of {data}, which is not part of Errata, found {len(files)}: give one behind "
            f"--data {data}, and run the command once for each."
        )
    found = load(KNOWEDIT, files)
    return Source(data, None, Path(files[0]), found.examinations, found.skipped)


def _short(one: Examination) -> Examination:
    """With the first of its many paraphrases."""
    return replace(one, case=replace(one.case, paraphrases=one.case.paraphrases[:PARAPHRASES]))

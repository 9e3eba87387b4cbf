"""Results of an evaluation, case by case, as JSON Lines: a header, then one line for every case and seed.

The header says what the values depend on, and no time of day: equal runs write equal bytes. A case's id is a hash over
its fact's subject, text and target, so that cases of two files are paired whatever their order; what the model
answered before is no part of it. How a line looks, and what each field means: docs/scores.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeAlias

from errata.errors import InputError, unknown
from errata.evaluation.result_lines import (
    COUNT,
    COUNTS,
    FLAG,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    Kind,
    fields_of,
    object_of,
    shown,
)
from errata.evaluation.statistics import Values
from errata.facts import Fact
from errata.ledger.disk import write_durably
from errata.strict import text_of

FORMAT = "errata-results-1"
REGIMES = ("single", "batch", "sequential")
When = Literal["before", "after"]
# By protocol and metric.
Measured: TypeAlias = Mapping[str, Mapping[str, float | int]]
DIGITS = 16
HEADER: Mapping[str, Kind] = {
    "format": TEXT,
    "rows": COUNT,
    "command": TEXT,
    "seeds": COUNTS,
    "versions": TEXTS,
    "model": TEXT,
    "weights": TEXT,
    "dtype": TEXT,
    "data": TEXT,
    "revision": TEXT,
    "protocols": OBJECTS,
    "method": TEXT,
    "settings": OBJECT,
    "regime": TEXT,
    "schedule": OBJECT,
}
ROW: Mapping[str, Kind] = {
    "case": TEXT,
    "seed": COUNT,
    "before": NUMBERS,
    "after": NUMBERS,
    "already": FLAG,
    "failed": FLAG,
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the values of a results file depend on.

    `weights`    the model's: `sha256:…` over a folder or `commit:…` of the hub (errata.model.identity)
    `dtype`      what it computed in
    `revision`   the data's: `sha256:…` over its files or `commit:…` of the hub
    `protocols`  every protocol of the rows with its settings
    `regime`     `single`: each edit alone; `batch`: some at once; `sequential`: one after the other, all of them kept
    `schedule`   the regime's settings: edits at once, their order, when they are measured
    """

    command: str
    seeds: tuple[int, ...]
    versions: Mapping[str, str]
    model: str
    weights: str
    dtype: str
    data: str
    revision: str
    protocols: Mapping[str, Mapping[str, Any]]
    method: str
    settings: Mapping[str, Any]
    regime: str
    schedule: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.regime not in REGIMES:
            raise unknown("regime", self.regime, REGIMES)
        for name in ("versions", "protocols", "settings", "schedule"):
            object.__setattr__(self, name, _plain(name, getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Row:
    """One case with one seed: its value of every metric that it counts in, on the unedited model and on the edited one.

    `already`  the unedited model gave the target        `failed`  no edit could be computed: the model stayed as it was
    """

    case: str
    seed: int
    before: Measured
    after: Measured
    already: bool = False
    failed: bool = False

    def __post_init__(self) -> None:
        for when in ("before", "after"):
            found = {
                protocol: {metric: float(value) for metric, value in own.items()}
                for protocol, own in getattr(self, when).items()
            }
            for protocol, own in found.items():
                for metric, value in own.items():
                    if not isfinite(value):
                        raise InputError(
                            f"The {metric} ({protocol}) of the case {self.case} {when} the edit is {value}: "
                            "expected a finite number; leave out what could not be measured."
                        )
            object.__setattr__(self, when, found)


@dataclass(frozen=True, slots=True)
class Results:
    """A header and its rows; no case has two rows of one seed."""

    header: Header
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("The results have no rows: evaluate at least one case.")
        for (case, seed), count in Counter((row.case, row.seed) for row in self.rows).items():
            if count > 1:
                raise InputError(f"The case {case} has {count} rows of seed {seed}: expected one.")
            if seed not in self.header.seeds:
                raise InputError(f"The case {case} has seed {seed}, expected one of the header's {self.header.seeds}.")
        for row in self.rows:
            for protocol in (*row.before, *row.after):
                if protocol not in self.header.protocols:
                    raise InputError(
                        f"The case {row.case} has values of protocol {protocol!r}, and the header says nothing of it: "
                        f"expected {' or '.join(self.header.protocols) or 'no protocol'}."
                    )

    @property
    def cases(self) -> int:
        """Number of cases, each counted once whatever number of seeds drew it."""
        return len({row.case for row in self.rows})

    def metrics(self, protocol: str, when: When = "after") -> tuple[str, ...]:
        """The metrics of a protocol that any row has, sorted."""
        return tuple(sorted({name for row in self.rows for name in getattr(row, when).get(protocol, ())}))

    def values(self, protocol: str, metric: str, when: When = "after") -> Values:
        """A metric's values by case and seed, sorted by both; of the rows that count in it."""
        found = {
            (row.case, row.seed): getattr(row, when)[protocol][metric]
            for row in self.rows
            if metric in getattr(row, when).get(protocol, ())
        }
        return dict(sorted(found.items()))


def case_id(fact: Fact) -> str:
    """A fact's name in every results file: a hash over subject, text and target."""
    content = json.dumps([fact.subject, fact.text, fact.target], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:DIGITS]


def case_ids(facts: Iterable[Fact]) -> list[str]:
    """The names of facts in their order; a fact that comes again is `NAME-2`, `NAME-3` and so on."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for name in map(case_id, facts):
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found


def write(path: str | Path, results: Results) -> None:
    """Write results whole or not at all; equal results give equal bytes."""
    write_durably(Path(path), to_lines(results).encode())


def read(path: str | Path) -> Results:
    """Read results; raises InputError with the line, what was expected there and what was found."""
    try:
        text = text_of(Path(path))
    except (OSError, ValueError) as error:
        raise InputError(f"The results {path} cannot be read ({error}): give the file of an evaluation.") from error
    return from_lines(text, str(path))


def to_lines(results: Results) -> str:
    """Results as JSON Lines; the header says how many rows there are, so that a file that was cut short is known."""
    header = {"format": FORMAT, "rows": len(results.rows), **asdict(results.header)}
    return "".join(
        json.dumps(line, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n"
        for line in [header, *map(asdict, results.rows)]
    )


def from_lines(text: str, source: str = "the results") -> Results:
    """Results from JSON Lines; `source` is what the InputError calls them that any other text raises."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InputError(f"{source} is empty: expected a header and a row for every case.")
    (number, first), *others = lines
    place = f"{source}, line {number}"
    found = object_of(place, first)
    if found.get("format") != FORMAT:
        raise InputError(
            f"{place}: expected a header with the format {FORMAT!r}, found {shown(found.get('format'))}: "
            "give the file of an evaluation by this version."
        )
    fields = fields_of(place, found, HEADER)
    rows = tuple(_row(f"{source}, line {number}", line) for number, line in others)
    del fields["format"]
    fields["seeds"] = tuple(fields["seeds"])
    if (expected := fields.pop("rows")) != len(rows):
        raise InputError(f"{source}: expected {expected} rows, found {len(rows)}: the file is not whole.")
    try:
        return Results(Header(**fields), rows)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _row(place: str, line: str) -> Row:
    fields = fields_of(place, object_of(place, line), ROW)
    try:
        return Row(**fields)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _plain(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as JSON has it; raises InputError for what JSON cannot describe."""
    try:
        return json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"The {name} of the results cannot be written as JSON ({error}).") from error

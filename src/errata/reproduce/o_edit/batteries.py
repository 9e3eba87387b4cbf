"""The facts of every seed: those of an embedded model, or of CounterFact or ZsRE.

The embedded models' facts are drawn by the seed, without the subjects on which ROME's settings were chosen. Of a data
set's cases seed 0 takes the first, in the file's order; any other seed draws as many, and keeps their order. Facts that
are never edited are the data set's own for cases that are not in the sequence, about other subjects.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from errata.datasets import counterfact, pocket, records, zsre
from errata.errors import InputError
from errata.facts import Case, Probe
from errata.sequences import Battery, pocket_battery

POCKET = "pocket-"
EMBEDDED = ("pocket-gelu", "pocket-swiglu")
TUNED = {"count": 40, "seed": 1}
READERS = {"counterfact": counterfact.read, "zsre": zsre.read}


@dataclass(frozen=True)
class Source:
    """Where the facts come from: `name` is a data set's or an embedded model's; `cases` are None for the latter."""

    name: str
    files: tuple[str, ...] = ()
    cases: tuple[Case, ...] | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    text: tuple[str, ...] = ()

    @property
    def described(self) -> dict[str, Any]:
        """What a result says of its data."""
        return {"name": self.name, "files": list(self.files), "skipped": dict(self.skipped), "text": bool(self.text)}

    def battery(self, seed: int, edits: int, known: int) -> Battery:
        """What a sequence of a seed is tested on; raises InputError where there are fewer facts than wanted."""
        if self.cases is None:
            kind = self.name.removeprefix(POCKET)
            tuned = frozenset(case.fact.subject for case in pocket.cases(kind, **TUNED))
            found = pocket_battery(kind, edits, seed, known=known, leave_out=tuned)
            return Battery(found.cases, found.known, self.text or found.text)
        if len(self.cases) < edits:
            raise InputError(f"{edits} edits are wanted and {self.name} gives {len(self.cases)}: ask for fewer.")
        places = range(edits) if seed == 0 else sorted(random.Random(seed).sample(range(len(self.cases)), edits))
        chosen = tuple(self.cases[at] for at in places)
        return Battery(chosen, _unedited(self.cases, chosen, known, seed), self.text)


def source(model: str, data: str | None, files: Sequence[str | Path], text: str | Path | None = None) -> Source:
    """The facts for a model: an embedded model's own, or by name another's, or those of a data set's files.

    `text` is a file of which perplexity is taken. Raises InputError for a model without facts of its own and for a data
    set there is not.
    """
    held_out = () if text is None else (records.text(Path(text)),)
    if data is None and not model.startswith(POCKET):
        raise InputError(f"{model} has no facts of its own: give --data counterfact or zsre, and its file.")
    if data is None or data in EMBEDDED:
        return Source(data or model, text=held_out)
    if data not in READERS:
        raise InputError(f"There is no data set {data!r} for sequences of edits: choose {' or '.join(READERS)}.")
    if not files:
        raise InputError(f"The data set {data} is not part of Errata: give its file behind --data {data}.")
    found = READERS[data](files)
    return Source(data, tuple(Path(one).name for one in files), found.cases, found.skipped, held_out)


def digest(battery: Battery) -> str:
    """A hash of all that a battery asks."""
    return hashlib.sha256(json.dumps(asdict(battery), sort_keys=True).encode()).hexdigest()


def _unedited(cases: Sequence[Case], chosen: Sequence[Case], count: int, seed: int) -> tuple[Probe, ...]:
    """True facts about no edited subject, one a subject, drawn by the seed; fewer where the data set has no more."""
    edited = {case.fact.subject for case in chosen}
    asked = {probe.prompt for case in chosen for probe in case.neighbours}
    rest = {
        case.fact.subject: Probe(case.fact.text, case.fact.answer)
        for case in cases
        if case.fact.answer is not None and case.fact.subject not in edited and case.fact.text not in asked
    }
    return tuple(random.Random(f"known {seed}").sample(list(rest.values()), min(count, len(rest))))

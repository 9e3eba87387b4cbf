"""Where a measurement's facts come from: an embedded model's own, or the files of CounterFact or ZsRE."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errata.datasets import records
from errata.datasets.catalog import load
from errata.errors import InputError, unknown
from errata.facts import Case
from errata.model.load import EMBEDDED

POCKET = "pocket-"
# Of an embedded model's cases, those on which ROME's settings were chosen.
TUNED = {"count": 40, "seed": 1}
DATA_SETS = ("counterfact", "zsre")


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


def digest(asked: Any) -> str:
    """A hash of all that plain values ask."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


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
    if data not in DATA_SETS:
        raise unknown("data set", data, (*EMBEDDED, *DATA_SETS))
    if not files:
        raise InputError(f"The data set {data} is not part of Errata: give its file behind --data {data}.")
    found = load(data, files)
    return Source(data, tuple(Path(one).name for one in files), found.cases, found.skipped, held_out)

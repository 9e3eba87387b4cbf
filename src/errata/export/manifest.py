"""errata.json: what an export holds, what it was made from and what was measured; the card says it for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from errata.errors import UNREADABLE, InputError
from errata.evaluation import result_lines
from errata.evaluation.result_lines import COUNT, COUNTS, TEXT, fields_of
from errata.export.base import Base
from errata.export.whole import MANIFEST
from errata.facts import Fact
from errata.ledger import Entry
from errata.ledger.disk import plain_name
from errata.model.identity import file_sha256
from errata.strict import json_in

FORMAT = "errata-export-1"
CARD = "README.md"

# What the fields of its objects are.
LIST = result_lines.Kind("a list of objects", lambda v: isinstance(v, list) and all(isinstance(one, dict) for one in v))
NUMBER = result_lines.Kind("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool))
MAYBE = result_lines.Kind("a text or null", lambda v: v is None or isinstance(v, str))
LAYER = {"layer": COUNT, "module": TEXT, "needed": COUNT, "rank": COUNT, "lost": NUMBER}
ANSWER = {"kind": TEXT, "prompt": TEXT, "expected": TEXT, "before": TEXT, "after": TEXT, "truncated": MAYBE}
CORRECTION = {
    **{"id": COUNT, "method": TEXT, "at": TEXT, "norm": NUMBER, "layers": COUNTS, "ranks": COUNTS},
    **{"sha256": TEXT, "facts": LIST},
}

Kind = Literal["peft", "merged"]


@dataclass(frozen=True, slots=True)
class Correction:
    """One edit of the export as its ledger lists it: `layers` and `ranks` hold one number a delta, `at` is UTC."""

    id: int
    method: str
    at: str
    norm: float
    layers: tuple[int, ...]
    ranks: tuple[int, ...]
    sha256: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class LayerRank:
    """A layer of an adapter: the rank that the sum `needed`, the rank that is there, and the share of energy `lost`."""

    layer: int
    module: str
    needed: int
    rank: int
    lost: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a prompt is answered with: by the unedited model, the corrected weights and, if any, a truncated sum."""

    kind: str
    prompt: str
    expected: str
    before: str
    after: str
    truncated: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that an export says of itself.

    `r`               the adapter's rank; None for merged weights
    `weights_sha256`  of all parameters with the corrections, as `errata verify` prints it for the ledger
    `scores`          by state (before, after, truncated) and name, each with protocol, n, mean and interval
    `files`           the files by name with their SHA-256, the card left out: people write in it
    """

    kind: Kind
    base: Base
    corrections: tuple[Correction, ...]
    weights_sha256: str
    r: int | None = None
    layers: tuple[LayerRank, ...] = ()
    answers: tuple[Answer, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts of all corrections, in order."""
        return tuple(fact for correction in self.corrections for fact in correction.facts)

    @property
    def truncated(self) -> bool:
        """Whether directions were left out to stay below a rank limit."""
        return any(row.rank < row.needed for row in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The manifest as plain values for JSON."""
        return {"format": FORMAT, **asdict(self)}

    def save(self, folder: Path) -> None:
        """Write errata.json."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read a folder's errata.json; raises InputError for one that is not there or does not read as one."""
        path = folder / MANIFEST
        try:
            row = json_in(path)
            if row["format"] != FORMAT:
                raise ValueError(f"its format is {row['format']!r}, not {FORMAT!r}")
            if row["kind"] not in ("peft", "merged"):
                raise ValueError(f"its kind is {row['kind']!r}")
            return cls(
                kind=row["kind"],
                base=_base(row["base"]),
                corrections=tuple(_correction(each) for each in _list(row, "corrections")),
                weights_sha256=str(row["weights_sha256"]),
                r=None if row["r"] is None else int(row["r"]),
                layers=tuple(LayerRank(**fields_of("layers", each, LAYER)) for each in _list(row, "layers")),
                answers=tuple(Answer(**fields_of("answers", each, ANSWER)) for each in _list(row, "answers")),
                scores={str(state): dict(scores) for state, scores in row["scores"].items()},
                versions={str(name): str(version) for name, version in row["versions"].items()},
                files={plain_name(name): str(digest) for name, digest in row["files"].items()},
            )
        except (*UNREADABLE, InputError) as error:
            raise InputError(f"{path} is no manifest of an export ({error}): export the ledger again.") from error

    def refuse_changed(self, folder: Path) -> None:
        """Raise InputError for a file that is not there, or that is not the one that was written."""
        for name, digest in self.files.items():
            path = folder / name
            if not path.is_file():
                raise InputError(f"{path} is not there as a file: export the ledger again.")
            if file_sha256(path) != digest:
                raise InputError(f"{path} is not the file that was exported (another SHA-256): export again.")


def corrections_of(entries: Sequence[Entry]) -> tuple[Correction, ...]:
    """A ledger's entries as an export lists them."""
    return tuple(Correction(e.id, e.method, e.at, e.norm, e.layers, e.ranks, e.sha256, e.facts) for e in entries)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, in name order."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def _base(row: dict[str, Any]) -> Base:
    texts = [row["name"], row["dtype"], row["fingerprint"], row["revision"] or "", row["licence"] or ""]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"its base is {row!r}, not texts")
    return Base(**row)


def _correction(row: dict[str, Any]) -> Correction:
    given = fields_of("corrections", row, CORRECTION)
    given["facts"] = tuple(Fact(**fact) for fact in given["facts"])
    given["layers"], given["ranks"] = tuple(given["layers"]), tuple(given["ranks"])
    return Correction(**given)


def _list(row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects under a name; raises ValueError for anything else."""
    found = row[name]
    if not LIST.holds(found):
        raise ValueError(f"expected {LIST.name} under {name!r}")
    return found

"""What a report on corrections tells: gathered once, then shown as page, figures or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit
from errata.evaluation.compare import Change, Comparison
from errata.ledger import Entry, LayerChange, Meta, Report
from errata.neurons import Attribution
from errata.reports.correction.course import Course
from errata.reports.correction.prompts import Question
from errata.reports.record import Origin, Shift
from errata.scores import Scores


@dataclass(frozen=True, slots=True)
class Tested:
    """A question and its answers without and with what the report is about."""

    question: Question
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Made:
    """Edits that one method made with equal settings: `ids` in order; `measured` of the first."""

    method: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    ids: tuple[int, ...]
    measured: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Single:
    """What only the report of one edit holds.

    `beside` are the other edits in the weights while it is measured, `rivals` those left out because they are about the
    same fact. `attribution` scores the neurons for the answer before the edit; where it is None, `unlocated` says why.
    """

    entry: Entry
    edit: Edit
    beside: tuple[int, ...]
    rivals: tuple[int, ...]
    shifts: tuple[Shift, ...]
    attribution: Attribution | None
    unlocated: str


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """A ledger, or one edit of it (`single`), measured.

    `tested` holds every question with its answers; `targets` counts the facts that could be asked, of which at most so
    many were; `overlapping` neighbours were left out because another correction is about them. `columns[l, i]` is the
    norm of neuron i's change in layer l, `layers` the changed layers. `course` is None where it cannot be read.
    """

    meta: Meta
    directory: str
    entries: tuple[Entry, ...]
    tested: tuple[Tested, ...]
    scores: Scores
    targets: int
    overlapping: int
    columns: Float[Tensor, "layers d_ff"]
    layers: tuple[LayerChange, ...]
    made: tuple[Made, ...]
    checked: Report
    course: Course | None
    checkups: tuple[Mapping[str, Any], ...]
    origin: Origin
    single: Single | None = None

    @property
    def applied(self) -> tuple[Entry, ...]:
        """The edits in the weights."""
        return tuple(entry for entry in self.entries if entry.applied)

    @property
    def worse(self) -> tuple[tuple[int, Change], ...]:
        """Every answer that got worse, with the edit whose prompt it is."""
        return tuple((one.question.edit, change) for one in self.tested for change in one.comparison.worse)

    def to_dict(self) -> dict[str, Any]:
        """The account as plain values for JSON."""
        single = self.single
        return {
            "model": self.meta.model,
            "dtype": self.meta.dtype,
            "fingerprint": self.meta.fingerprint,
            "ledger": self.directory,
            "edit": None if single is None else single.entry.id,
            "applied": [entry.id for entry in self.applied],
            "edits": len(self.entries),
            "facts": self.targets,
            "asked": len(self.tested),
            "overlapping": self.overlapping,
            "scores": self.scores.to_dict(),
            "cases": [
                {"edit": one.question.edit, "prompts": one.question.source, **one.comparison.to_dict()}
                for one in self.tested
            ],
            "layers": [asdict(layer) for layer in self.layers],
            "norms": None if self.course is None else _norms(self.course),
            "checkups": [dict(row) for row in self.checkups],
            "verify": {"ok": self.checked.ok, "problems": list(self.checked.problems)},
            "weights_sha256": self.checked.weights_sha256,
            **({} if single is None else _single(single)),
            "origin": {**asdict(self.origin), "seconds": dict(self.origin.seconds)},
        }


def _norms(found: Course) -> dict[str, list[float]]:
    return {str(layer): list(row) for layer, row in found.relative.items()}


def _single(found: Single) -> dict[str, Any]:
    return {
        "state": "applied" if found.entry.applied else "undone",
        "beside": list(found.beside),
        "rivals": list(found.rivals),
        "probabilities": [asdict(shift) for shift in found.shifts],
        "located": None if found.attribution is None else found.attribution.settings,
    }

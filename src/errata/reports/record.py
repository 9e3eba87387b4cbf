"""What a report of one correction tells: gathered once, then shown as page, figures or JSON."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from errata.deltas import Edit
from errata.evaluation.compare import Comparison
from errata.evaluation.probes import CaseOutcome, answer_probabilities
from errata.facts import Fact
from errata.model.view import ModelView
from errata.neurons import Attribution

Odds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shift:
    """The probability of two answers to one prompt: `before` and `after` hold the old one's and the new one's."""

    kind: str
    prompt: str
    old: str
    new: str
    before: Odds
    after: Odds


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 over all parameters before the edit, with it, and after it was undone."""

    before: str
    edited: str
    undone: str

    @property
    def restored(self) -> bool:
        """Whether undoing gave every bit back."""
        return self.before == self.undone


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a result comes from: the model, the machine, the command that makes it again."""

    model: str
    dtype: str
    fingerprint: str
    command: str
    made: str
    machine: str
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One correction, from the model's answer to the weights that are identical again."""

    fact: Fact
    attribution: Attribution
    edit: Edit
    comparison: Comparison
    shifts: tuple[Shift, ...]
    hashes: Hashes
    origin: Origin

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values for JSON; of the attribution the layers' sums and the chosen neurons."""
        found = self.attribution
        return {
            "fact": asdict(self.fact),
            "answer_before": self.comparison.prompt.before.answer,
            "answer_after": self.comparison.prompt.after.answer,
            "locate": {
                "method": found.method,
                "settings": found.settings,
                "objective": found.objective,
                "answer": found.answer,
                "gap": found.gap,
                "sums": found.scores.double().sum(-1).tolist(),
                "change": None if found.change is None else found.change.tolist(),
                "neurons": [[layer, index, float(found.scores[layer, index])] for layer, index in found.neurons],
            },
            "edit": {
                "method": self.edit.method,
                "settings": dict(self.edit.settings),
                "measured": dict(self.edit.measured),
                "versions": dict(self.edit.versions),
                "layers": [delta.layer for delta in self.edit.deltas],
                "norm": self.edit.norm(),
            },
            **self.comparison.to_dict(),
            "probabilities": [asdict(shift) for shift in self.shifts],
            "weights_sha256": {**asdict(self.hashes), "restored": self.hashes.restored},
            "origin": {**asdict(self.origin), "seconds": dict(self.origin.seconds)},
        }


def odds(view: ModelView, questions: Sequence[tuple[str, str, str]]) -> list[Odds]:
    """p(old) and p(new) behind every (prompt, old, new)."""
    pairs = [(prompt, answer) for prompt, *both in questions for answer in both]
    found = answer_probabilities(view, pairs)
    return list(zip(found[::2], found[1::2], strict=True))


def shown_answers(before: CaseOutcome) -> list[tuple[str, str, str]]:
    """Every prompt with the answers whose probabilities are shown: the old one, a neighbour's own, and the new one."""
    target = before.case.fact.target or ""
    asked = [(reply.prompt, before.prompt.answer, target) for reply in (before.prompt, *before.paraphrases)]
    return asked + [(reply.prompt, reply.expected, target) for reply in before.neighbours]


def shifts(
    found: Comparison, asked: Sequence[tuple[str, str, str]], before: Sequence[Odds], after: Sequence[Odds]
) -> tuple[Shift, ...]:
    """What the edit made of the probabilities that `odds` gave for `shown_answers` before and after it."""
    rows = zip(found.changes, asked, before, after, strict=True)
    return tuple(Shift(change.kind, prompt, old, new, was, now) for change, (prompt, old, new), was, now in rows)


def machine() -> str:
    """The machine a result was made on, as far as it matters."""
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"

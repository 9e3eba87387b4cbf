"""Compare a case's replies before and after an edit: what got better, what got worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from errata.errors import InputError
from errata.evaluation.probes import CaseOutcome, Reply
from errata.model.phrases import answer_of

Kind = Literal["prompt", "paraphrase", "neighbour"]
Verdict = Literal["better", "same", "worse"]


@dataclass(frozen=True, slots=True)
class Change:
    """One prompt before and after.

    An edit prompt or paraphrase is better when it says the target only now, worse when it no longer does. A neighbour
    should stay: it is worse when its answer is another one, and better when that new answer is the right one at last.
    """

    kind: Kind
    before: Reply
    after: Reply

    @property
    def unchanged(self) -> bool:
        """Whether the answer is the one given before: both right, or both wrong in the same words."""
        if self.before.right or self.after.right:
            return self.before.right and self.after.right
        return answer_of(self.before.text) == answer_of(self.after.text)

    @property
    def verdict(self) -> Verdict:
        """Better, same or worse."""
        if self.after.right and not self.before.right:
            return "better"
        lost = self.before.right and not self.after.right
        return "worse" if lost or (self.kind == "neighbour" and not self.unchanged) else "same"

    def to_dict(self) -> dict[str, Any]:
        """The change as plain values for JSON."""
        return {
            "kind": self.kind,
            "prompt": self.before.prompt,
            "expected": self.before.expected,
            "before": self.before.answer,
            "after": self.after.answer,
            "right_before": self.before.right,
            "right_after": self.after.right,
            "unchanged": self.unchanged,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All prompts of one case before and after: the edit prompt first, then paraphrases, then neighbours."""

    changes: tuple[Change, ...]

    @property
    def prompt(self) -> Change:
        """The edit prompt's change."""
        return self.changes[0]

    @property
    def took(self) -> bool:
        """Whether the edit prompt now says the target."""
        return self.prompt.after.right

    @property
    def better(self) -> tuple[Change, ...]:
        """What got better."""
        return tuple(change for change in self.changes if change.verdict == "better")

    @property
    def worse(self) -> tuple[Change, ...]:
        """What got worse."""
        return tuple(change for change in self.changes if change.verdict == "worse")

    def of(self, kind: Kind) -> tuple[Change, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values for JSON."""
        return {
            "took": self.took,
            "better": len(self.better),
            "worse": len(self.worse),
            "checks": [change.to_dict() for change in self.changes],
        }


def compare(before: CaseOutcome, after: CaseOutcome) -> Comparison:
    """What changed between two outcomes of one case; raises InputError for outcomes of different cases."""
    if before.case != after.case:
        raise InputError("The outcomes to compare belong to different cases: probe the same cases before and after.")
    changes = [Change("prompt", before.prompt, after.prompt)]
    changes += [Change("paraphrase", *pair) for pair in zip(before.paraphrases, after.paraphrases, strict=True)]
    changes += [Change("neighbour", *pair) for pair in zip(before.neighbours, after.neighbours, strict=True)]
    return Comparison(tuple(changes))

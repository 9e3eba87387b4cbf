"""What the prompts of an export's cases are answered with, before and after, and what a truncation costs.

Protocol and scores are those of `errata.evaluation.score`: free greedy generation; efficacy and paraphrase are shares
of right answers, neighbours the share of answers that are the unedited model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from errata.deltas import WeightDelta
from errata.evaluation import CaseOutcome, compare, probe, score
from errata.export.manifest import Answer
from errata.facts import Case, Fact
from errata.model.jobs import fills_masks
from errata.model.view import ModelView
from errata.scores import Scores


@dataclass(frozen=True, slots=True)
class Proof:
    """The SHA-256 of the corrected model's parameters, every prompt's answers, and scores by state and name."""

    weights_sha256: str
    answers: tuple[Answer, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def cases_of(view: ModelView, facts: Sequence[Fact]) -> tuple[Case, ...]:
    """One case a fact that has a target, without further prompts; none for a model that cannot write an answer."""
    return () if fills_masks(view) else tuple(Case(fact) for fact in facts if fact.target is not None)


def prove(
    view: ModelView, weights: Mapping[int, Tensor], cases: Sequence[Case], truncated: Sequence[WeightDelta] = ()
) -> Proof:
    """Ask the model all prompts of the cases in every state; its present weights return.

    `weights` are the corrected W by layer; `truncated` are the deltas that an adapter has kept, where they are fewer.
    """
    with view.unedited():
        before = probe(view, cases)
        with view.holding(weights.items()):
            digest = view.weights_sha256()
            after = probe(view, cases)
        cut = None
        if truncated:
            with view.applied(truncated):
                cut = probe(view, cases)
    if not cases:
        return Proof(digest)
    states = {"before": _without_neighbours(score(before, before)), "after": score(before, after).to_dict()}
    if cut is not None:
        states["truncated"] = score(before, cut).to_dict()
    return Proof(digest, _answers(before, after, cut), states)


def _without_neighbours(scores: Scores) -> dict[str, Any]:
    """The unedited model's scores: that its answers are its own is no result."""
    return {name: score.to_dict() for name, score in scores.items() if name != "neighbours"}


def _answers(
    before: Sequence[CaseOutcome], after: Sequence[CaseOutcome], cut: Sequence[CaseOutcome] | None
) -> tuple[Answer, ...]:
    found: list[Answer] = []
    for number, pair in enumerate(zip(before, after, strict=True)):
        changes = compare(*pair).changes
        others = [None] * len(changes) if cut is None else compare(before[number], cut[number]).changes
        for change, other in zip(changes, others, strict=True):
            said = None if other is None else other.after.answer
            prompt, expected = change.before.prompt, change.before.expected
            found.append(Answer(change.kind, prompt, expected, change.before.answer, change.after.answer, said))
    return tuple(found)

"""The headline's scores: free generation in which the whole reply is judged (`errata.evaluation.verdict`).

Of what follows the share of right replies; of what stays the share of replies that are the same text, to the last word,
and, as `known`, of those right before the share that still are. `fluency` is GE (`errata.evaluation.examination`),
`consistency` the likeness to the references (`errata.evaluation.consistency`).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from errata.evaluation.consistency import consistency, idf
from errata.evaluation.examination import FOLLOWS, STAYS, Examined, Question, entropy, means, questions
from errata.evaluation.verdict import Verdict, verdict
from errata.model.phrases import line_of

# The prompts of one fact: to restate one of them with another object is to contradict an answer to any.
SAME = frozenset({"efficacy", "generalization", "heldout"})


def verdicts(one: Examined) -> list[Verdict]:
    """What every reply of an examination is worth, in the order of its questions."""
    asked = questions(one.examination)
    return [
        verdict(question.prompt, text, question.expected, question.rivals, _same(asked, question))
        for question, text in zip(asked, one.texts, strict=True)
    ]


def whole_values(before: Sequence[Examined], after: Sequence[Examined]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in."""
    prose = prose_values(after)
    return [_values(*pair) | own for *pair, own in zip(before, after, prose, strict=True)]


def prose_values(found: Sequence[Examined]) -> list[dict[str, float]]:
    """Fluency, and consistency where there are references; words are weighed by all references that are given here."""
    weights = idf(text for one in found for text in one.examination.references)
    rows: list[dict[str, float]] = []
    for one in found:
        row = {"fluency": fmean(map(entropy, one.written))} if one.written else {}
        if one.written and one.examination.references:
            row["consistency"] = consistency(one.written, one.examination.references, weights)
        rows.append(row)
    return rows


def replied_values(
    before: Examined, after: Examined, was: Sequence[bool | None], now: Sequence[bool | None]
) -> dict[str, float]:
    """One case's values, from which replies were right and are; None for those that nothing says it of."""
    asked = questions(before.examination)
    follow = {at: float(right) for at, right in enumerate(now) if right is not None and asked[at].way == FOLLOWS}
    stay = {
        at: float(line_of(before.texts[at]) == line_of(after.texts[at]))
        for at, question in enumerate(asked)
        if question.way == STAYS
    }
    known = [float(now[at] is True) for at in stay if was[at] and now[at] is not None]
    return means(asked, follow | stay) | ({"known": fmean(known)} if known else {})


def _values(before: Examined, after: Examined) -> dict[str, float]:
    was, now = ([found.right for found in verdicts(one)] for one in (before, after))
    return replied_values(before, after, was, now)


def _same(asked: Sequence[Question], question: Question) -> list[str]:
    if question.name not in SAME:
        return []
    return [other.prompt for other in asked if other.name in SAME and other.expected == question.expected]

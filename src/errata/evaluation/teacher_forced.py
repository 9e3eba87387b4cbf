"""KnowEdit's scores: the share of right tokens behind the right tokens before them.

    a(x, y) = 1/T Σ_{j=1..T} [ argmax p(· | x, y_<j) = y_j ]                            y = y_1 … y_T: the gold answer
    u(x, y) = 1/T Σ_{j=1..T} [ argmax p_before(· | x, y_<j) = argmax p_after(· | x, y_<j) ]

    edit_success     a of the edit prompt and its target                  generalization, heldout    a of paraphrases
    portability      mean over a case's kinds of a of what follows        inverse                    a of it, by itself
    portability_before                                                    the unedited model's
    locality         mean over a case's kinds of u of what is to stay

`token_values` has every kind by itself, and

    known            a of what is to stay, of the questions whose tokens were all right before (ours)

Protocol "teacher-forced": the model is given all of the answer but the token it is asked for, and its length. That is
easier than to write the answer: no number of it can be held against one of protocol "generation".

Source: Yao et al. 2023 and Zhang et al. 2024 (EasyEdit, KnowEdit): token accuracy for edit success and portability,
agreement of tokens before and after for locality, the first of several accepted answers as the gold one.

Departures: kinds are averaged within a case, then cases; KnowEdit averages each kind over cases. A prompt and an answer
that one token joins are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from errata.errors import InputError, TokenError
from errata.evaluation.examination import DIRECT, FOLLOWS, STAYS, Question, means, questions
from errata.evaluation.probes import asked_once
from errata.facts import Examination
from errata.model.scoring import target_choices
from errata.model.tokens import Tokens, encode
from errata.model.view import ModelView
from errata.scores import Scores

PROTOCOL = "teacher-forced"
NAMES = {"efficacy": "edit_success"}


@dataclass(frozen=True, slots=True)
class Choices:
    """The model's own tokens behind the gold prefixes of an examination's questions; None of those left out."""

    examination: Examination
    gold: tuple[tuple[int, ...] | None, ...]
    chosen: tuple[tuple[int, ...] | None, ...]


def choose(view: ModelView, found: Sequence[Examination]) -> list[Choices]:
    """Read the model's tokens for every question of every examination."""
    rows = [[_row(view, question) for question in questions(one)] for one in found]
    usable = [row for own in rows for row in own if row is not None]
    chosen = iter(asked_once(lambda distinct: target_choices(view, distinct), usable))
    return [
        Choices(
            one,
            tuple(None if row is None else row.target for row in own),
            tuple(None if row is None else tuple(next(chosen).tolist()) for row in own),
        )
        for one, own in zip(found, rows, strict=True)
    ]


def score_choices(before: Sequence[Choices], after: Sequence[Choices]) -> Scores:
    """Every score that any case counts in; raises InputError for choices of different examinations."""
    return Scores.of_cases(choice_values(before, after), PROTOCOL)


def choice_values(before: Sequence[Choices], after: Sequence[Choices]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in; raises InputError for different examinations."""
    if [one.examination for one in before] != [one.examination for one in after]:
        raise InputError("The choices to score belong to different examinations: read the same before and after.")
    now, base = token_values(before, after), token_values(before, before)
    names = (*DIRECT, "portability", "locality")
    return [
        {NAMES.get(name, name): own[name] for name in names if name in own}
        | ({"portability_before": first["portability"]} if "portability" in first else {})
        for own, first in zip(now, base, strict=True)
    ]


def token_values(before: Sequence[Choices], after: Sequence[Choices]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in, kind by kind."""
    return [_values(*pair) for pair in zip(before, after, strict=True)]


def _row(view: ModelView, question: Question) -> Tokens | None:
    try:
        return encode(view.tokenizer, question.prompt, question.expected[0])
    except TokenError:
        return None


def _values(before: Choices, after: Choices) -> dict[str, float]:
    asked = questions(before.examination)
    found: dict[int, float] = {}
    known: list[float] = []
    for at, question in enumerate(asked):
        gold, old, new = before.gold[at], before.chosen[at], after.chosen[at]
        if gold is None or old is None or new is None:
            continue
        found[at] = _agreement(new, gold if question.way == FOLLOWS else old)
        if question.way == STAYS and old == gold:
            known.append(_agreement(new, gold))
    return means(asked, found) | ({"known": fmean(known)} if known else {})


def _agreement(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of places where both have the same token."""
    return fmean(float(a == b) for a, b in zip(one, other, strict=True))

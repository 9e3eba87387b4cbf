"""The scores of an edit on examinations: what was to follow it, what was to stay, and how the model writes.

    efficacy, generalization, heldout      edit prompt, trained and held-out paraphrases that say the target
    inverse, composed, and consequences    questions whose answers follow that say such an answer
    portability                            mean over a case's kinds of them, `inverse` left out
    specificity, same_object,              other subjects of the relation, those of them with the subject's old object,
    same_subject, other_answers            the subject in other relations, its other objects: answered as before
    locality                               mean over a case's kinds of those four
    kept                                   the same prompts, those answered right before: still right
    fluency                                mean over a case's texts of GE, in bits

    GE = ½ (⅔ H₂ + 4⁄3 H₃) ,   H_n = −Σ_g f(g) log₂ f(g)     f: the frequencies of a text's n-grams of words

`NAME_before` is the unedited model's, of what follows and of fluency. Every score is of free generation (see
`errata.evaluation.metrics`), greedy and without a gold prefix; a case without a kind of prompt does not count in it.

Source of GE: Meng et al. 2022 (ROME), its released code, after Zhang et al. 2018. Departures: the texts are written
greedily, to their own end or WRITTEN new tokens, behind the essence openings (behind the edit prompt where there are
none); ROME samples 100 tokens among the five most probable. Words are runs of letters and digits, and single signs.

A reply is read to its own end or to a number of new tokens that is one for all prompts: it holds the longest answer
that any of them expects.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean

from errata.errors import InputError
from errata.evaluation.compare import Change
from errata.evaluation.metrics import PROTOCOL
from errata.evaluation.probes import MAX_NEW_TOKENS, Reply, answers, reach
from errata.facts import Examination, Fact, Probe
from errata.model.phrases import says
from errata.model.view import ModelView
from errata.model.writing import Until
from errata.scores import Scores

WRITTEN = 50
# Tokens that a reply may have beyond the longest answer expected.
SPARE = 4
FOLLOWS, STAYS = "follows", "stays"
LOCALITY = ("specificity", "same_object", "same_subject", "other_answers")
DIRECT = ("efficacy", "generalization", "heldout", "inverse")
# The scores that an edit that changes nothing has at their best.
UNTOUCHED = frozenset({*LOCALITY, "locality", "kept", "fluency"})


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt of an examination: the score it counts in, whether it follows or stays, and the answers expected.

    `rivals` are known answers that are not among the expected ones: the old answer where the target is expected, the
    target where something else is to stay. White space behind a prompt belongs to no answer and is dropped.
    """

    name: str
    way: str
    prompt: str
    expected: tuple[str, ...]
    rivals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", self.prompt.rstrip())
        expected = {answer.strip() for answer in self.expected}
        rivals = tuple(answer for answer in self.rivals if answer.strip() not in expected)
        object.__setattr__(self, "rivals", rivals)


@dataclass(frozen=True, slots=True)
class Examined:
    """What the model wrote: behind every question, in the order of `questions`, and behind the openings."""

    examination: Examination
    texts: tuple[str, ...]
    written: tuple[str, ...]


def questions(one: Examination) -> list[Question]:
    """Every question of an examination, the edit prompt first; raises InputError for a fact without target."""
    fact, target = one.case.fact, _target(one.case.fact)
    right, old = (target, *one.aliases), _old(fact)
    found = [Question("efficacy", FOLLOWS, fact.text, right, old)]
    found += [Question("efficacy", FOLLOWS, other.text, (_target(other),), _old(other)) for other in one.more]
    for name, prompts in (("generalization", one.case.paraphrases), ("heldout", one.heldout)):
        found += [Question(name, FOLLOWS, prompt, right, old) for prompt in prompts]
    found += _probes("inverse", FOLLOWS, one.inverse)
    found += _probes("composed", FOLLOWS, [part.question for part in one.composed])
    found += [
        Question(part.kind, FOLLOWS, part.prompt, part.answers, old if target in map(str.strip, part.answers) else ())
        for part in one.consequences
    ]
    for name, probes in zip(
        LOCALITY, (one.case.neighbours, one.same_object, one.same_subject, one.other_answers), strict=True
    ):
        found += _probes(name, STAYS, probes, (target,))
    return found


def room(view: ModelView, found: Sequence[Examination]) -> int:
    """New tokens that hold any answer that these examinations expect: one number, which tells nothing of any answer."""
    expected = {answer for one in found for question in questions(one) for answer in question.expected}
    longest = max(
        (len(view.tokenizer.encode(f" {answer}", add_special_tokens=False)) for answer in expected), default=0
    )
    return max(MAX_NEW_TOKENS, longest + SPARE)


def examine(
    view: ModelView,
    found: Sequence[Examination],
    written: int = WRITTEN,
    limit: int | None = None,
    until: Until | None = None,
) -> list[Examined]:
    """Ask the model every question once, and let it write `written` tokens behind every opening; 0 for none.

    A reply has `limit` new tokens at most; by default those that hold any answer expected here. It is read `until` its
    own end, its line's or its first phrase's; by default as far as its first answer is judged by.
    """
    asked = [questions(one) for one in found]
    far = until or reach(answer for rows in asked for row in rows for answer in row.expected)
    most = room(view, found) if limit is None else limit
    texts = iter(answers(view, [row.prompt for rows in asked for row in rows], most, far))
    openings = [
        tuple(text.rstrip() for text in one.essence or (one.case.fact.text,)) if written else () for one in found
    ]
    prose = iter(answers(view, [opening for own in openings for opening in own], written) if written else ())
    return [
        Examined(
            one,
            tuple(next(texts) for _ in rows),
            tuple(opening + next(prose) for opening in own),
        )
        for one, rows, own in zip(found, asked, openings, strict=True)
    ]


def score_examined(before: Sequence[Examined], after: Sequence[Examined]) -> Scores:
    """Every score that any case counts in; raises InputError for outcomes of different examinations."""
    return Scores.of_cases(examined_values(before, after), PROTOCOL)


def examined_values(before: Sequence[Examined], after: Sequence[Examined]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in; raises InputError for different examinations."""
    if [one.examination for one in before] != [one.examination for one in after]:
        raise InputError("The outcomes to score belong to different examinations: ask the same before and after.")
    return [dict(_values(*pair)) for pair in zip(before, after, strict=True)]


def entropy(text: str) -> float:
    """GE of a text in bits; 0 for one that is shorter than an n-gram."""
    words = re.findall(r"\w+|[^\w\s]", text)
    return (2 / 3 * _entropy(words, 2) + 4 / 3 * _entropy(words, 3)) / 2


def means(asked: Sequence[Question], values: Mapping[int, float]) -> dict[str, float]:
    """The mean of each name's values, `values[at]` the value of `asked[at]`, and those over names.

    These are `portability` of what follows, all but DIRECT, and `locality` of what stays.
    """
    grouped: dict[str, list[float]] = {}
    for at, value in values.items():
        grouped.setdefault(asked[at].name, []).append(value)
    found = {name: fmean(own) for name, own in grouped.items()}
    stays = {asked[at].name for at in values if asked[at].way == STAYS}
    ported = [share for name, share in found.items() if name not in stays and name not in DIRECT]
    held = [share for name, share in found.items() if name in stays]
    over = {"portability": ported, "locality": held}
    return found | {name: fmean(own) for name, own in over.items() if own}


def _entropy(words: Sequence[str], n: int) -> float:
    counts = Counter(tuple(words[at : at + n]) for at in range(len(words) - n + 1))
    total = counts.total()
    return -sum(count / total * log2(count / total) for count in counts.values()) + 0.0


def _target(fact: Fact) -> str:
    if fact.target is None:
        raise InputError(f"The fact about {fact.subject!r} has no target: nothing says what is right.")
    return fact.target


def _old(fact: Fact) -> tuple[str, ...]:
    return () if fact.answer is None else (fact.answer,)


def _probes(name: str, way: str, probes: Sequence[Probe], rivals: tuple[str, ...] = ()) -> list[Question]:
    return [Question(name, way, probe.prompt, (probe.answer,), rivals) for probe in probes]


def _values(before: Examined, after: Examined) -> Iterator[tuple[str, float]]:
    """One case's value of every score that it counts in."""
    asked = questions(before.examination)
    right = (_right(asked, before), _right(asked, after))
    follow = [at for at, question in enumerate(asked) if question.way == FOLLOWS]
    stay = [at for at, question in enumerate(asked) if question.way == STAYS]
    for suffix, own in (("_before", right[0]), ("", right[1])):
        shares = means(asked, {at: float(own[at]) for at in follow})
        yield from ((f"{name}{suffix}", share) for name, share in shares.items())
    yield from means(
        asked, {at: float(_unchanged(asked[at], before.texts[at], after.texts[at])) for at in stay}
    ).items()
    known = [float(right[1][at]) for at in stay if right[0][at]]
    if known:
        yield "kept", fmean(known)
    for suffix, own in (("_before", before), ("", after)):
        if own.written:
            yield f"fluency{suffix}", fmean(entropy(text) for text in own.written)


def _right(asked: Sequence[Question], own: Examined) -> list[bool]:
    return [
        any(says(text, answer) for answer in question.expected) for question, text in zip(asked, own.texts, strict=True)
    ]


def _unchanged(question: Question, before: str, after: str) -> bool:
    replies = [Reply(question.prompt, question.expected[0], text) for text in (before, after)]
    return Change("neighbour", *replies).unchanged

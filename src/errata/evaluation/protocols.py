"""Ways to score an edit: what each asks, and what it counts.

    generation       free and greedy, the whole reply judged: the headline (`errata.evaluation.generation`)
    first-phrase     the same writing, judged by its first phrase: cheaper (`errata.evaluation.examination`)
    teacher-forced   the answer's tokens, each behind the right ones before it (`errata.evaluation.teacher_forced`)
    likelihood       which of two answers is more probable (`errata.evaluation.likelihood`)
    judge            the writing of `generation`, judged by a language model (`errata.evaluation.judge`)

A protocol asks everything once, then works out its scores from what was said alone: `NAME_before` is what an edit that
does nothing scores, and `already` counts cases whose efficacy is 1 before any edit. Every score carries its protocol's
name, and no two protocols' numbers can be held against each other. docs/protocols.md says which to quote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from errata.endpoint import Endpoint
from errata.errors import InputError, unknown
from errata.evaluation.examination import LOCALITY, WRITTEN, Examined, examine, examined_values
from errata.evaluation.generation import prose_values, whole_values
from errata.evaluation.judge import Judged, judge, judged_values
from errata.evaluation.likelihood import Likelihoods, likelihood_values, weigh
from errata.evaluation.teacher_forced import Choices, choose, token_values
from errata.facts import Examination
from errata.model.view import ModelView
from errata.scores import Scores

BEFORE, ALREADY, UNCLEAR = "_before", "already", "unclear"
STAYING = frozenset({*LOCALITY, "locality", "known"})
PROSE = frozenset({"fluency", "consistency"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How prompts are asked: the same for all of them, and told by no answer.

    limit      most new tokens of a reply
    written    tokens that are written behind an opening, for fluency and consistency; 0 for none
    endpoint   the judge; only protocol `judge` has one
    """

    limit: int = 50
    written: int = WRITTEN
    endpoint: Endpoint | None = None


# What a model said to the questions of one examination.
Outcome = Examined | Choices | Likelihoods | Judged
Said = TypeVar("Said", bound=Outcome)


@dataclass(frozen=True, slots=True)
class Protocol(Generic[Said]):
    """A way to score an edit.

    ask         what a model says to examinations, all prompts of all of them at once
    measure     of every case its value of each score, from what was said before and after an edit
    untouched   scores of what an edit should leave alone: where an edit failed they say nothing
    lower       scores of which lower is better; all others are better higher
    """

    name: str
    ask: Callable[[ModelView, Sequence[Examination], Settings], list[Said]]
    measure: Callable[[Sequence[Said], Sequence[Said]], list[dict[str, float]]]
    untouched: frozenset[str] = STAYING
    lower: frozenset[str] = frozenset({ALREADY})

    def values(self, before: Sequence[Said], after: Sequence[Said]) -> list[dict[str, float]]:
        """Of every case its value of each score that it counts in, and what an edit that does nothing scores.

        Raises InputError for outcomes of different examinations.
        """
        if [one.examination for one in before] != [one.examination for one in after]:
            raise InputError("The outcomes to score belong to different examinations: ask the same before and after.")
        return [
            now
            | {f"{name}{BEFORE}": value for name, value in first.items()}
            | ({ALREADY: float(first["efficacy"] == 1.0)} if "efficacy" in first else {})
            for now, first in zip(self.measure(before, after), self.measure(before, before), strict=True)
        ]


def score_protocol(protocol: Protocol[Said], before: Sequence[Said], after: Sequence[Said]) -> Scores:
    """Every score that any case counts in; raises InputError for outcomes of different examinations."""
    return Scores.of_cases(protocol.values(before, after), protocol.name, protocol.lower)


def protocol(name: str) -> Protocol[Any]:
    """Look a protocol up; raises InputError with the choices."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def _write(view: ModelView, found: Sequence[Examination], settings: Settings) -> list[Examined]:
    return examine(view, found, settings.written, settings.limit, until="line")


def _write_phrases(view: ModelView, found: Sequence[Examination], settings: Settings) -> list[Examined]:
    return examine(view, found, settings.written, settings.limit)


def _write_and_judge(view: ModelView, found: Sequence[Examination], settings: Settings) -> list[Judged]:
    if settings.endpoint is None:
        raise InputError("The protocol 'judge' has no endpoint: give one in its settings, with its url and model.")
    return judge(settings.endpoint, examine(view, found, 0, settings.limit, until="line"))


def _phrase_values(before: Sequence[Examined], after: Sequence[Examined]) -> list[dict[str, float]]:
    """The scores of `examined_values` under the names that they have in every protocol, and consistency."""
    rows = examined_values(before, after)
    named = [
        {name.replace("kept", "known"): value for name, value in row.items() if not name.endswith(BEFORE)}
        for row in rows
    ]
    return [own | prose for own, prose in zip(named, prose_values(after), strict=True)]


PROTOCOLS: dict[str, Protocol[Any]] = {
    one.name: one
    for one in (
        Protocol("generation", _write, whole_values, STAYING | PROSE),
        Protocol("first-phrase", _write_phrases, _phrase_values, STAYING | PROSE),
        Protocol("teacher-forced", lambda view, found, _: choose(view, found), token_values),
        Protocol(
            "likelihood",
            lambda view, found, _: weigh(view, found),
            likelihood_values,
            STAYING | {f"{name}_magnitude" for name in STAYING - {"known"}},
        ),
        Protocol("judge", _write_and_judge, judged_values, lower=frozenset({ALREADY, UNCLEAR, f"{UNCLEAR}{BEFORE}"})),
    )
}

"""ZsRE as examinations: a question with another answer, a rephrasing, a question that should stay, one that follows.

Source: Levy et al. 2017, "Zero-Shot Relation Extraction via Reading Comprehension". Layouts:

    MEND's      Mitchell et al. 2022: src, the question; alt, the answer it shall get; answers, the true ones; rephrase;
                loc and loc_ans, an unrelated question; portability {New Question, New Answer}, where a record has it
                (Yao et al. 2023): what follows from the fact
    KnowEdit's  see errata.datasets.knowedit

Departures: ZsRE names no relation, so a fact is its subject and question. A record whose `alt` is empty or among
`answers` is left out and counted, as is a second one of the same subject and question. A record's `cond` is not read;
the `nq question: ` in front of `loc` is kept as published.
"""

from __future__ import annotations

from typing import Any

from errata.datasets import knowedit
from errata.datasets.collected import NO_TARGET, unfit
from errata.datasets.records import field, fields, unusable
from errata.facts import Case, Consequence, Examination, Fact, Probe


def examination(place: str, row: dict[str, Any]) -> Examination | str:
    """The examination of a record of either layout, or why it is left out."""
    return knowedit.examination(place, row) if "target_new" in row else _question(place, row)


def _question(place: str, row: dict[str, Any]) -> Examination | str:
    answers = fields(place, row, "answers")
    if not answers:
        raise unusable(place, "an answer under 'answers'", [], "give one")
    if row.get("alt") == "":
        return NO_TARGET
    subject, prompt, target = (field(place, row, name) for name in ("subject", "src", "alt"))
    return unfit(subject, prompt, target, answers) or Examination(
        Case(
            Fact(subject, prompt, target, answers[0]),
            (field(place, row, "rephrase"),),
            (Probe(field(place, row, "loc"), field(place, row, "loc_ans")),),
        ),
        consequences=_follows(place, row),
    )


def _follows(place: str, row: dict[str, Any]) -> tuple[Consequence, ...]:
    if row.get("portability") is None:
        return ()
    question, answer = (field(place, row, f"portability.{name}") for name in ("New Question", "New Answer"))
    return (Consequence("reasoning", question, (answer,)),)

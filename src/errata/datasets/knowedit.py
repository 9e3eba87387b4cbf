"""KnowEdit's WikiData_recent, WikiData_counterfact and ZsRE as examinations.

Source: Zhang et al. 2024, "A Comprehensive Study of Knowledge Editing for Large Language Models" (KnowEdit, MIT), from
the files of a user who has them: a JSON list or JSONL, gzipped or not. The WikiData questions are those of RippleEdits
(Cohen et al. 2023), ZsRE is Levy et al. 2017 in the form of Yao et al. 2023.

    subject, prompt, target_new       the fact and its target;  ground_truth: the true answer, or a list of them
    rephrase, rephrase_prompt         another wording, where the record has one
    portability                       Reasoning, Subject_Aliasing, Logical_Generalization: what follows from the fact
    locality                          Relation_Specificity: the subject in other relations
                                      Forgetfulness: the subject's other objects in the relation

A question holds a `prompt` and its `ground_truth`: a text, a list of texts, or a list of lists, each an answer's names.
All of them are right where the answer follows, the first alone is looked for where it is to stay. An answer that says
yes or no (or true, false, correct, incorrect) follows with a small or a capital first letter, or in capitals.

Departures: a record whose target is among its true answers is left out and counted, as is a second one of the same
subject and prompt; a question without an answer is left out. WikiData_recent names no true answer: its facts have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errata.datasets.collected import NO_TARGET, TRUE_ALREADY, gather
from errata.datasets.records import field, objects
from errata.errors import InputError
from errata.facts import Case, Consequence, Examination, Fact, Probe

FOLLOWS = {"Reasoning": "reasoning", "Subject_Aliasing": "aliasing", "Logical_Generalization": "logical"}
STAYS = ("Relation_Specificity", "Forgetfulness")
REPHRASED = ("rephrase", "rephrase_prompt")
VERDICTS = frozenset({"yes", "no", "true", "false", "correct", "incorrect"})


@dataclass(frozen=True, slots=True)
class Examinations:
    """Examinations in the order of the file, and how many records were left out, by reason."""

    examinations: tuple[Examination, ...]
    skipped: Mapping[str, int]


def read(paths: Sequence[str | Path], count: int | None = None) -> Examinations:
    """The first `count` examinations of KnowEdit's files, in their order; all by default.

    Raises InputError, with file and record, for a record of another layout, and for fewer than `count`.
    """
    records = (found for path in paths for found in objects(Path(path)))
    found, skipped = gather(records, _examination, lambda one: one.case.fact, count)
    return Examinations(tuple(found), skipped)


def _examination(place: str, row: dict[str, Any]) -> Examination | str:
    if row.get("target_new") == "":
        return NO_TARGET
    target, true = field(place, row, "target_new"), _texts(place, "ground_truth", row.get("ground_truth", []))
    if target in true:
        return TRUE_ALREADY
    fact = Fact(field(place, row, "subject"), field(place, row, "prompt"), target, true[0] if true else None)
    stays = {name: tuple(_probes(place, row, name)) for name in STAYS}
    return Examination(
        Case(fact, tuple(field(place, row, name) for name in REPHRASED if row.get(name) is not None)),
        same_subject=stays["Relation_Specificity"],
        consequences=tuple(
            Consequence(kind, prompt, _however_written(answers))
            for name, kind in FOLLOWS.items()
            for prompt, answers in _questions(place, row, "portability", name)
        ),
        other_answers=stays["Forgetfulness"],
    )


def _however_written(answers: Sequence[str]) -> tuple[str, ...]:
    """The answers, behind them the other ways to write those that say yes or no."""
    verdicts = [one.lower() for one in answers if one.lower() in VERDICTS]
    ways = [way for one in verdicts for way in (one, one.capitalize(), one.upper())]
    return tuple(dict.fromkeys([*answers, *ways]))


def _probes(place: str, row: dict[str, Any], name: str) -> Iterator[Probe]:
    return (Probe(prompt, answers[0]) for prompt, answers in _questions(place, row, "locality", name))


def _questions(place: str, row: dict[str, Any], group: str, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The questions under `group.name` that have an answer, each with the names that are right."""
    held = row.get(group, {})
    found = held.get(name, []) if isinstance(held, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{place}: expected questions under '{group}.{name}', found {found!r}; give it as published.")
    for one in found:
        answers = _texts(place, f"{group}.{name}.ground_truth", one.get("ground_truth"))
        if answers:
            yield field(place, one, "prompt"), answers


def _texts(place: str, name: str, value: Any) -> tuple[str, ...]:
    """The texts of a text, a list of texts or a list of lists, in order, each once; empty ones left out."""
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if not isinstance(value, list):
        raise InputError(
            f"{place}: expected text or lists of it under {name!r}, found {value!r}; give it as published."
        )
    return tuple(dict.fromkeys(text for part in value for text in _texts(place, name, part)))

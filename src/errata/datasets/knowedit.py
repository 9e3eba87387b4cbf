"""KnowEdit as examinations: WikiData_recent, WikiData_counterfact, ZsRE, WikiBio, and its questions to forget.

Source: Zhang et al. 2024, "A Comprehensive Study of Knowledge Editing for Large Language Models" (KnowEdit, MIT). The
WikiData questions are those of RippleEdits (Cohen et al. 2023), ZsRE is Levy et al. 2017 in the form of Yao et al.
2023, WikiBio is Hartvigsen et al. 2023, the questions to forget are TriviaQA's (Sanitation, Ishibashi and Shimodaira
2023). Layouts:

    subject, prompt, target_new       the fact and its target;  ground_truth: the true answer, or a list of them
    rephrase, rephrase_prompt         another wording, where the record has one
    portability                       Reasoning, Subject_Aliasing, Logical_Generalization: what follows from the fact
    locality                          Relation_Specificity: the subject in other relations
                                      Forgetfulness: the subject's other objects in the relation

    concept, text, labels             WikiBio: the subject, a text about it and its next sentence, which is the target
    locality                          Relation_Specificity, as above

    question, ground_truth            Sanitation: a question to forget, with its subject and target_new; those without
                                      a target, or whose target is the answer, are to stay and are no edits

A question holds a `prompt` and its `ground_truth`: a text, a list of texts, or a list of lists, each an answer's names.
All of them are right where the answer follows, the first alone is looked for where it is to stay. An answer that says
yes or no (or true, false, correct, incorrect) follows with a small or a capital first letter, or in capitals.

Departures: a record whose target is among its true answers is left out and counted, as is a second one of the same
subject and prompt, and one to forget whose subject is not named; a question without an answer is left out.
WikiData_recent names no true answer: its facts have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from errata.datasets.collected import NO_TARGET, unfit
from errata.datasets.records import field, unusable
from errata.facts import Case, Consequence, Examination, Fact, Probe

FOLLOWS = {"Reasoning": "reasoning", "Subject_Aliasing": "aliasing", "Logical_Generalization": "logical"}
STAYS = ("Relation_Specificity", "Forgetfulness")
REPHRASED = ("rephrase", "rephrase_prompt")
VERDICTS = frozenset({"yes", "no", "true", "false", "correct", "incorrect"})
NO_SUBJECT = "no subject"


def examination(place: str, row: dict[str, Any]) -> Examination | str:
    """The examination of a record of any layout, or why it is left out."""
    if "concept" in row:
        return _sentence(place, row)
    return _question(place, row) if "question" in row else _relation(place, row)


def _relation(place: str, row: dict[str, Any]) -> Examination | str:
    if row.get("target_new") == "":
        return NO_TARGET
    target, true = field(place, row, "target_new"), _texts(place, "ground_truth", row.get("ground_truth", []))
    subject, prompt = field(place, row, "subject"), field(place, row, "prompt")
    stays = {name: tuple(_probes(place, row, name)) for name in STAYS}
    return unfit(subject, prompt, target, true) or Examination(
        Case(
            Fact(subject, prompt, target, true[0] if true else None),
            tuple(field(place, row, name) for name in REPHRASED if row.get(name) is not None),
        ),
        same_subject=stays["Relation_Specificity"],
        consequences=tuple(
            Consequence(kind, prompt, _however_written(answers))
            for name, kind in FOLLOWS.items()
            for prompt, answers in _questions(place, row, "portability", name)
        ),
        other_answers=stays["Forgetfulness"],
    )


def _sentence(place: str, row: dict[str, Any]) -> Examination | str:
    """WikiBio: the sentence that a text about the subject goes on with."""
    subject, prompt, target = (field(place, row, name) for name in ("concept", "text", "labels"))
    return unfit(subject, prompt, target) or Examination(
        Case(Fact(subject, prompt, target)),
        same_subject=tuple(_probes(place, row, "Relation_Specificity")),
        references=(target,),
    )


def _question(place: str, row: dict[str, Any]) -> Examination | str:
    """Sanitation: a question that shall no longer be answered."""
    if row.get("target_new") is None:
        return NO_TARGET
    prompt, target, answer = (field(place, row, name) for name in ("question", "target_new", "ground_truth"))
    subject = "" if row.get("subject") is None else field(place, row, "subject")
    reason = unfit(subject, prompt, target, [answer]) or ("" if subject else NO_SUBJECT)
    return reason or Examination(Case(Fact(subject, prompt, target, answer)))


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
        raise unusable(place, f"questions under '{group}.{name}'", found, "give it as published")
    for one in found:
        answers = _texts(place, f"{group}.{name}.ground_truth", one.get("ground_truth"))
        if answers:
            yield field(place, one, "prompt"), answers


def _texts(place: str, name: str, value: Any) -> tuple[str, ...]:
    """The texts of a text, a list of texts or a list of lists, in order, each once; empty ones left out."""
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if not isinstance(value, list):
        raise unusable(place, f"text or lists of it under {name!r}", value, "give it as published")
    return tuple(dict.fromkeys(text for part in value for text in _texts(place, name, part)))

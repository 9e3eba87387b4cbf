"""RippleEdits as examinations: a fact, what follows from it by kind, and what about its subject is to stay.

Source: Cohen et al. 2023, "Evaluating the Ripple Effects of Knowledge Editing in Language Models" (MIT), the files
popular.json, random.json and recent.json. Layout:

    edit           prompt, the new fact as a sentence with a full stop; relation, by name; subject_id and target_id,
                   Wikidata's; original_fact (previous_fact), the same of the old fact, not in recent.json
    test kinds     lists of {test_queries: [{prompt, answers: [{value, aliases}], subject_id, relation}], …}
        Logical_Generalization → logical             Relation_Specificity → same subject
        Subject_Aliasing       → aliasing            Forgetfulness        → other answers
        Compositionality_I     → composed_1          Compositionality_II  → composed_2

Neither subject nor target stands by itself: they are what the sentence has around the words of its relation
(errata.datasets.ripple_phrases). Where that can be read in several ways, the old fact's sentence and the questions
about the same subject_id decide; where they do not, the record is left out and counted.

Departures: every query counts by itself, so `test_condition` (one or all of several) and `condition_queries` (what the
unedited model must know) are not read. Of several answers, in any of their names, one is enough where the answer
follows; the benchmark asks for all. The first alone is looked for where it is to stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from errata.datasets.collected import unfit
from errata.datasets.records import field, unusable
from errata.datasets.ripple_phrases import PHRASES
from errata.facts import SLOT, Case, Consequence, Examination, Fact, Probe

FOLLOWS = {
    "Logical_Generalization": "logical",
    "Subject_Aliasing": "aliasing",
    "Compositionality_I": "composed_1",
    "Compositionality_II": "composed_2",
}
# The README of the benchmark spells the first one so; its files have both.
SPECIFICITY = ("Relation_Specifity", "Relation_Specificity")
FORGETFULNESS = "Forgetfulness"
UNKNOWN_RELATION = "relation without a known phrase"
NOT_APART = "subject and target cannot be told apart"


def examination(place: str, row: dict[str, Any]) -> Examination | str:
    """The examination of a record, or why it is left out."""
    relation = field(place, row, "edit.relation")
    if relation not in PHRASES:
        return UNKNOWN_RELATION
    read = _subject_and_target(place, row, PHRASES[relation])
    if read is None:
        return NOT_APART
    subject, target, answer = read
    prompt = PHRASES[relation].replace(SLOT, subject)
    return unfit(subject, prompt, target, [answer] if answer else []) or Examination(
        Case(Fact(subject, PHRASES[relation], target, answer, relation)),
        same_subject=tuple(_stays(place, row, *SPECIFICITY)),
        consequences=tuple(
            Consequence(kind, prompt, names)
            for name, kind in FOLLOWS.items()
            for prompt, names in _queries(place, row, name)
        ),
        other_answers=tuple(_stays(place, row, FORGETFULNESS)),
    )


def _subject_and_target(place: str, row: dict[str, Any], phrase: str) -> tuple[str, str, str | None] | None:
    """Subject, target and old answer, where there is one way only to read them."""
    new = dict(_readings(field(place, row, "edit.prompt"), phrase))
    edit = row["edit"]
    name = next((one for one in ("original_fact", "previous_fact") if edit.get(one) is not None), None)
    old = dict(_readings(field(place, row, f"edit.{name}.prompt"), phrase)) if name else {}
    subjects = [one for one in new if new[one] and (name is None or one in old)]
    if len(subjects) > 1:
        asked = [*_own_questions(place, row)]
        subjects = [one for one in subjects if asked and all(one in prompt for prompt in asked)]
    # A part of a name stands in every question that the name stands in.
    longest = max(subjects, key=len, default="")
    if not longest or not all(one in longest for one in subjects):
        return None
    return longest, new[longest], old.get(longest) or None


def _readings(sentence: str, phrase: str) -> Iterator[tuple[str, str]]:
    """Every subject and object with which the phrase makes the sentence; the object may be empty."""
    before, after = phrase.split(SLOT)
    rest = sentence.strip().removesuffix(".").removeprefix(before) + " "
    if not sentence.startswith(before):
        return
    at = rest.find(f"{after} ")
    while at > 0:
        yield rest[:at].strip(), rest[at + len(after) :].strip()
        at = rest.find(f"{after} ", at + 1)


def _own_questions(place: str, row: dict[str, Any]) -> Iterator[str]:
    """The prompts of the record's questions that name the edit's subject as theirs and are in no words of their own."""
    for name in (*SPECIFICITY, FORGETFULNESS):
        for test in _objects(place, row, name, name):
            for query in _objects(place, test, "test_queries", f"{name}.test_queries"):
                if query.get("subject_id") == row["edit"].get("subject_id") and query.get("phrase") is None:
                    prompt = query.get("prompt")
                    yield prompt if isinstance(prompt, str) else ""


def _stays(place: str, row: dict[str, Any], *names: str) -> Iterator[Probe]:
    return (Probe(prompt, known[0]) for name in names for prompt, known in _queries(place, row, name))


def _queries(place: str, row: dict[str, Any], name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The questions of a test kind that have an answer, each with every name that is right."""
    for test in _objects(place, row, name, name):
        for query in _objects(place, test, "test_queries", f"{name}.test_queries"):
            names: list[Any] = []
            for answer in _objects(place, query, "answers", f"{name}.test_queries.answers"):
                aliases = answer.get("aliases") or []
                if not isinstance(aliases, list):
                    raise unusable(
                        place, f"a list under '{name}.test_queries.answers.aliases'", aliases, "give it whole"
                    )
                names += [answer.get("value"), *aliases]
            known = tuple(dict.fromkeys(one.strip() for one in names if isinstance(one, str) and one.strip()))
            if known:
                yield field(place, query, "prompt"), known


def _objects(place: str, row: dict[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    found = [] if row.get(name) is None else row[name]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise unusable(place, f"a list of objects under {path!r}", found, "give it as it was published")
    return found

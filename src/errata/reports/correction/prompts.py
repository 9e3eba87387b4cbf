"""Which prompts test a correction in a report, and where they come from.

In this order: those that the reader gave, those kept with the edit, those that an embedded model's facts know, and the
phrasings that are shipped for the fact's relation. A fact that has none of them is asked by its own prompt alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

from errata.datasets import phrasings
from errata.datasets.pocket_probes import complete
from errata.deltas import Edit
from errata.evaluation.kept import kept
from errata.facts import SLOT, Case, Fact

Source = Literal["given", "kept", "embedded", "shipped", "none"]
# Each is the end of a sentence that begins with the number of facts it is true of.
MEANING: Mapping[Source, str] = {
    "given": "with the paraphrases and neighbours of the file given to this report",
    "kept": "with the paraphrases and neighbours that were kept with the edit when it was made",
    "embedded": "with phrasings and neighbours from the facts of the embedded model; the neighbours are other "
    "subjects of the relation, the same ones each time",
    "shipped": "with the phrasings shipped for its relation, and without neighbours: none are known",
    "none": "by the prompt alone: no paraphrases or neighbours are kept with it; errata report --file FILE adds some",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One fact of one edit, the prompts that test it, and where they come from."""

    edit: int
    case: Case
    source: Source


@final
class Prompts:
    """The prompts of a model's facts; `given` are cases that go before all others."""

    def __init__(self, model: str, given: Iterable[Case] = ()) -> None:
        self._model = model
        self._given = {case.fact.key: case for case in given}
        self._phrasings = phrasings.by_relation(phrasings.read())

    def of(self, number: int, edit: Edit) -> Iterator[Question]:
        """The questions about an edit's facts; facts without target ask nothing."""
        for fact in edit.facts:
            if fact.target is not None:
                yield Question(number, *self._case(edit, fact))

    def _case(self, edit: Edit, fact: Fact) -> tuple[Case, Source]:
        bare = Case(fact)
        given = self._given.get(fact.key)
        if given is not None and (given.paraphrases or given.neighbours):
            return replace(given, fact=fact), "given"
        own = kept(edit, fact)
        if own is not None:
            return own, "kept"
        known = complete(bare, self._model)
        if known.paraphrases or known.neighbours:
            return replace(known, fact=fact), "embedded"
        shipped = self._shipped(fact)
        return (Case(fact, shipped), "shipped") if shipped else (bare, "none")

    def _shipped(self, fact: Fact) -> tuple[str, ...]:
        texts = (row.prompt.replace(SLOT, fact.subject) for row in self._phrasings.get(fact.relation or "", ()))
        return tuple(text for text in texts if text != fact.text)


def apart(questions: Sequence[Question]) -> tuple[list[Question], int]:
    """The questions without neighbours that another of them corrects on purpose, and how many those were."""
    corrected = [{question.case.fact.text, *question.case.paraphrases} for question in questions]
    owners: dict[str, set[int]] = {}
    for place, texts in enumerate(corrected):
        for text in texts:
            owners.setdefault(text, set()).add(place)
    found: list[Question] = []
    left_out = 0
    for place, question in enumerate(questions):
        near = tuple(one for one in question.case.neighbours if not owners.get(one.prompt, set()) - {place})
        left_out += len(question.case.neighbours) - len(near)
        found.append(replace(question, case=replace(question.case, neighbours=near)))
    return found, left_out

"""The embedded models' cases, with what follows from each edit and what must not follow.

The facts, targets, paraphrases and neighbours are those of `errata.datasets.pocket.cases`, draw for draw. Beside them:

    held out       phrasings of the relation that the models were not trained on
    same object    other subjects of the relation with the old object
    same subject   the subject's facts in other relations
    inverse        capital of a country ↔ country of a capital (P36, P1376): the target asks back for the subject
    composed       (s, r₁, t) and (t, r₂, z): r₂'s phrasing, r₁'s description of s in its subject's place; expected z
    essence        "{s} is a" (the prompt of ROME's essence drift)

A composed question is left out where r₂ is r₁'s inverse, where it would be answered by z before the edit too, and where
r₁ has no description. ParaRel has the facts and most phrasings (see NOTICE); descriptions and composition are ours.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from errata.datasets import pocket
from errata.facts import SLOT, Case, Composed, Examination, Probe
from errata.model.phrases import says
from errata.model.pocket.corpus import PocketFact, phrasings
from errata.model.view import ModelView
from errata.model.writing import generate

INVERSE = {"P36": "P1376", "P1376": "P36"}

# What a relation's object is to its subject, as a noun that stands in another phrasing's subject place.
DESCRIPTIONS = {
    "P19": "the birthplace of {}",
    "P20": "the place where {} died",
    "P27": "the country of citizenship of {}",
    "P36": "the capital of {}",
    "P127": "the owner of {}",
    "P159": "the place where {} has its headquarters",
    "P176": "the manufacturer of {}",
    "P178": "the developer of {}",
    "P264": "the record label of {}",
    "P449": "the network that first aired {}",
    "P495": "the country of origin of {}",
    "P740": "the place where {} was founded",
    "P937": "the place where {} worked",
    "P1376": "the country whose capital is {}",
}


@dataclass(frozen=True, eq=False)
class _Known:
    """The facts of a model, by subject and by relation."""

    by_subject: Mapping[str, Sequence[PocketFact]]
    by_relation: Mapping[str, Sequence[PocketFact]]

    @classmethod
    def of(cls, rows: Sequence[PocketFact]) -> _Known:
        by_subject: dict[str, list[PocketFact]] = defaultdict(list)
        for row in rows:
            by_subject[row.subject].append(row)
        return cls(dict(by_subject), pocket.by_relation(rows))


def examinations(kind: str, count: int | None = None, seed: int = 0, neighbours: int = 10) -> list[Examination]:
    """The cases of `pocket.cases` with these arguments, each with all else that its edit is examined on.

    `neighbours` also bounds the probes with the same object. The same seed gives the same examinations.
    """
    known = _Known.of(pocket.facts(kind))
    return [examination_of(case, known, seed, neighbours) for case in pocket.cases(kind, count, seed, neighbours)]


def examination_of(case: Case, known: _Known, seed: int, most: int = 10) -> Examination:
    """One case with what follows from it; its draws depend on the seed and the fact alone."""
    fact = case.fact
    chance = random.Random(f"examination {seed} {fact.subject} {fact.relation}")
    own = known.by_subject[fact.subject]
    row = next(row for row in own if (row.relation, row.object) == (fact.relation, fact.answer))
    asked = {probe.prompt for probe in case.neighbours}
    alike = [
        other
        for other in known.by_relation[row.relation]
        if other.object == row.object and other.subject != row.subject and asked.isdisjoint(other.prompts)
    ]
    return Examination(
        case,
        heldout=row.heldout_prompts,
        same_object=tuple(_ask(other, chance) for other in chance.sample(alike, min(most, len(alike)))),
        same_subject=tuple(_ask(other, chance) for other in own if other.relation != row.relation),
        inverse=_inverse(row, fact.target or "", chance),
        composed=_composed(row, fact.target or "", known, chance),
        essence=(f"{row.subject} is a",),
    )


def answered(view: ModelView, found: Sequence[Examination]) -> list[Examination]:
    """The examinations with those composed questions whose two facts the model answers: the case's, and the second."""
    hops = [
        (Probe(one.case.fact.text, one.case.fact.answer or ""), part.second) for one in found for part in one.composed
    ]
    asked = sorted({hop.prompt for pair in hops for hop in pair})
    texts = dict(zip(asked, generate(view, asked, until="phrase"), strict=True)) if asked else {}
    right = iter([all(says(texts[hop.prompt], hop.answer) for hop in pair) for pair in hops])
    return [replace(one, composed=tuple(part for part in one.composed if next(right))) for one in found]


def _ask(row: PocketFact, chance: random.Random) -> Probe:
    return Probe(chance.choice(row.prompts), row.object)


def _inverse(row: PocketFact, target: str, chance: random.Random) -> tuple[Probe, ...]:
    """The target's own question in the inverse relation; after the edit its answer is the subject."""
    if row.relation not in INVERSE:
        return ()
    template = chance.choice(phrasings()[INVERSE[row.relation]].train)
    return (Probe(template.replace(SLOT, target), row.subject),)


def _composed(row: PocketFact, target: str, known: _Known, chance: random.Random) -> tuple[Composed, ...]:
    if row.relation not in DESCRIPTIONS:
        return ()
    described = DESCRIPTIONS[row.relation].replace(SLOT, row.subject)
    before = {(other.relation, other.object) for other in known.by_subject.get(row.object, ())}
    templates = phrasings()
    found: list[Composed] = []
    for second in known.by_subject.get(target, ()):
        follows = second.relation != INVERSE.get(row.relation) and (second.relation, second.object) not in before
        forms = [t for t in templates[second.relation].train if f"{SLOT}'" not in t and f"{SLOT}," not in t]
        if follows and forms:
            text = chance.choice(forms).replace(SLOT, described)
            question = Probe(text[0].upper() + text[1:], second.object)
            found.append(Composed(question, _ask(second, chance)))
    return tuple(found)

"""What the embedded models' facts know of a fact of yours: its relation, other phrasings and neighbours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from errata.datasets import pocket
from errata.facts import Case, Fact, Probe
from errata.model.pocket.corpus import PocketFact

NEIGHBOURS = 10


def complete(case: Case, model: str, neighbours: int = NEIGHBOURS) -> Case:
    """Fill in what a pocket model's facts know of this one: relation, paraphrases and neighbours, where not given."""
    if not model.startswith("pocket-"):
        return case
    rows = pocket.facts(model.removeprefix("pocket-"))
    row = _row_of(case.fact, rows)
    if row is None:
        return case
    prompts = tuple(prompt for prompt in row.prompts if prompt != case.fact.text)
    return Case(
        fact=replace(case.fact, relation=row.relation),
        paraphrases=case.paraphrases or prompts,
        neighbours=case.neighbours or _neighbours(case.fact, row, rows, neighbours),
    )


def _row_of(fact: Fact, rows: Sequence[PocketFact]) -> PocketFact | None:
    for row in rows:
        asks = fact.text in (*row.prompts, *row.heldout_prompts)
        if row.subject == fact.subject and (asks or fact.relation == row.relation):
            return row
    return None


def _neighbours(fact: Fact, row: PocketFact, rows: Sequence[PocketFact], count: int) -> tuple[Probe, ...]:
    """Other subjects of the relation whose object is not the target; the same fact gives the same ones."""
    near = [
        other
        for other in rows
        if other.relation == row.relation and other.subject != row.subject and other.object != fact.target
    ]
    chance = random.Random(f"{row.subject} {row.relation}")
    chosen = chance.sample(near, min(count, len(near)))
    return tuple(Probe(chance.choice(other.prompts), other.object) for other in chosen)

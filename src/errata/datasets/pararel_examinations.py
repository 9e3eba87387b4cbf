"""ParaRel's facts as examinations: a counterfactual target, the other phrasings, neighbours of the relation.

A case is made as those of the embedded models are (`pocket.case_of`): the target is the object of another fact of the
relation, the neighbours are other subjects of it whose object is not the target. The order is drawn by the seed.
"""

from __future__ import annotations

import random
from typing import Any

from errata.datasets import pocket
from errata.datasets.collected import REPEATED, require
from errata.datasets.pararel import ParaRel, PhrasedFact
from errata.facts import SLOT, Examination
from errata.model.pocket.corpus import PocketFact


def examinations(
    data: ParaRel, count: int | None = None, seed: int = 0, neighbours: int = 10
) -> tuple[tuple[Examination, ...], dict[str, int]]:
    """The first `count` in the seed's order, each subject and relation once, and how many were left out, by reason.

    Raises InputError for fewer than `count`, and for a relation that has one object only.
    """
    rows = [_asked(fact) for fact in data.facts]
    families = pocket.by_relation(rows)
    random.Random(seed).shuffle(rows)
    found: list[Examination] = []
    seen: set[tuple[str, str]] = set()
    repeated = 0
    for row in rows:
        if len(found) == count:
            break
        if (row.subject, row.relation) in seen:
            repeated += 1
            continue
        seen.add((row.subject, row.relation))
        chance = random.Random(f"pararel {seed} {row.subject} {row.relation}")
        case = pocket.case_of(row, families[row.relation], chance, neighbours)
        found.append(Examination(case, heldout=row.heldout_prompts, essence=(f"{row.subject} is a",)))
    require(found, count)
    skipped: dict[str, Any] = {REPEATED: repeated} if repeated else {}
    return tuple(found), skipped


def _asked(fact: PhrasedFact) -> PocketFact:
    prompts, heldout = (
        tuple(one.replace(SLOT, fact.subject) for one in rows) for rows in (fact.prompts, fact.heldout_prompts)
    )
    return PocketFact(fact.relation, fact.subject, fact.object, prompts, heldout)

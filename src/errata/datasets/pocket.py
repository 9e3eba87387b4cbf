"""The facts of the embedded models, as facts to localize and as cases to edit.

A case changes a fact to a *counterfactual*: the object of another fact of the same relation. Its paraphrases are the
fact's other trained phrasings; its neighbours are other subjects of the relation whose object is not the target.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from errata.errors import InputError
from errata.facts import Case, Fact, Probe
from errata.model.load import pocket
from errata.model.pocket.corpus import PocketFact, read_facts


def facts(kind: str) -> list[PocketFact]:
    """Every fact of the embedded model `gelu` or `swiglu`, in the order of its facts.jsonl."""
    return read_facts(pocket(kind) / "facts.jsonl")


def as_fact(row: PocketFact, target: str | None = None, prompt: int = 0) -> Fact:
    """One row as a Fact, asked with its `prompt`-th phrasing."""
    return Fact(row.subject, row.prompts[prompt], target=target, answer=row.object, relation=row.relation)


def cases(kind: str, count: int | None = None, seed: int = 0, neighbours: int = 10) -> list[Case]:
    """Counterfactual cases over random facts, no subject twice; the same seed gives the same cases.

    `neighbours` is the number of neighbour probes a case, each in a random trained phrasing of its own.
    """
    rows = facts(kind)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    found: list[Case] = []
    seen: set[str] = set()
    for index in order:
        if count is not None and len(found) == count:
            break
        if rows[index].subject not in seen:
            seen.add(rows[index].subject)
            found.append(case_of(rows[index], rows, random.Random(f"{seed}-{index}"), neighbours))
    return found


def case_of(row: PocketFact, rows: Sequence[PocketFact], chance: random.Random, neighbours: int = 10) -> Case:
    """The counterfactual case of one row: target and neighbours drawn from the rows of the same relation.

    Raises InputError where these have no other object.
    """
    family = [other for other in rows if other.relation == row.relation and other.subject != row.subject]
    true_objects = {other.object for other in rows if (other.relation, other.subject) == (row.relation, row.subject)}
    targets = sorted({other.object for other in family} - true_objects)
    if not targets:
        raise InputError(f"Relation {row.relation} has one object only: no counterfactual target exists.")
    target = chance.choice(targets)
    near = [other for other in family if other.object != target]
    chosen = chance.sample(near, min(neighbours, len(near)))
    return Case(
        fact=as_fact(row, target),
        paraphrases=row.prompts[1:],
        neighbours=tuple(Probe(chance.choice(other.prompts), other.object) for other in chosen),
    )


def by_relation(rows: Sequence[PocketFact]) -> dict[str, list[PocketFact]]:
    """Rows grouped by relation, in order."""
    grouped: dict[str, list[PocketFact]] = defaultdict(list)
    for row in rows:
        grouped[row.relation].append(row)
    return dict(grouped)

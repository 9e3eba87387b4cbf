"""What a sequence of edits is tested on: the cases it edits, known facts that no step edits, and held-out text."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from errata.datasets import pocket
from errata.errors import InputError
from errata.facts import Case, Probe


@dataclass(frozen=True, slots=True)
class Battery:
    """`cases` are edited in order; `known` are facts that should stay; perplexity is taken on `text`.

    Raises InputError for no cases, for a case without target, and for two about the same subject and relation.
    """

    cases: tuple[Case, ...]
    known: tuple[Probe, ...] = ()
    text: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.cases:
            raise InputError("There are no cases to edit: give at least one.")
        seen: dict[tuple[str, str], int] = {}
        for place, case in enumerate(self.cases, start=1):
            if case.fact.target is None:
                raise InputError(f"The fact about {case.fact.subject!r} has no target: say what the answer shall be.")
            first = seen.setdefault(case.fact.key, place)
            if first != place:
                about = " / ".join(case.fact.key)
                raise InputError(f"The facts {first} and {place} of the sequence are both about {about}: keep one.")


def pocket_battery(
    kind: str,
    count: int,
    seed: int = 0,
    known: int = 200,
    paraphrases: int = 2,
    neighbours: int = 2,
    leave_out: Collection[str] = frozenset(),
) -> Battery:
    """Counterfactual cases of the embedded model `gelu` or `swiglu`, none about a subject in `leave_out`.

    Raises InputError where the model has fewer facts than asked for.
    """
    drawn = pocket.cases(kind, count + len(leave_out), seed, neighbours)
    cases = tuple(
        replace(case, paraphrases=case.paraphrases[:paraphrases])
        for case in drawn
        if case.fact.subject not in leave_out
    )[:count]
    if len(cases) < count:
        raise InputError(f"pocket-{kind} has {len(cases)} subjects to edit, not {count}: ask for fewer.")
    return Battery(cases, known_facts(kind, cases, known, seed))


def known_facts(kind: str, cases: Sequence[Case], count: int, seed: int = 0, exactly: bool = True) -> tuple[Probe, ...]:
    """Facts of an embedded model, one a subject, about no edited subject and asked by no case as a neighbour.

    Raises InputError where fewer than `count` are left, unless that is good enough (`exactly` false).
    """
    edited = {case.fact.subject for case in cases}
    asked = {probe.prompt for case in cases for probe in case.neighbours}
    rows = [row for row in pocket.facts(kind) if row.subject not in edited and asked.isdisjoint(row.prompts)]
    chance = random.Random(f"known {seed}")
    chance.shuffle(rows)
    first = {row.subject: row for row in reversed(rows)}
    if exactly and len(first) < count:
        raise InputError(
            f"Beside {len(cases)} cases and their neighbours pocket-{kind} has {len(first)} known facts, not {count}: "
            "ask for fewer of them or of neighbours."
        )
    chosen = [row for row in rows if first[row.subject] is row][:count]
    return tuple(Probe(chance.choice(row.prompts), row.object) for row in chosen)

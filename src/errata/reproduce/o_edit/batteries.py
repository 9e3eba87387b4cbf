"""What a sequence of a seed is tested on: facts of an embedded model, or of CounterFact or ZsRE.

The embedded models' facts are drawn by the seed, without the subjects on which ROME's settings were chosen. Of a data
set's cases seed 0 takes the first, in the file's order; any other seed draws as many, and keeps their order. Facts that
are never edited are the data set's own for cases that are not in the sequence, about other subjects.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from errata.datasets import pocket
from errata.datasets.collected import draw
from errata.errors import InputError
from errata.facts import Case, Probe
from errata.reproduce.source import POCKET, TUNED, Source
from errata.sequences import Battery, pocket_battery


def battery(source: Source, seed: int, edits: int, known: int) -> Battery:
    """The battery of a seed; raises InputError where there are fewer facts than wanted."""
    if source.cases is None:
        kind = source.name.removeprefix(POCKET)
        tuned = frozenset(case.fact.subject for case in pocket.cases(kind, **TUNED))
        found = pocket_battery(kind, edits, seed, known=known, leave_out=tuned)
        return Battery(found.cases, found.known, source.text or found.text)
    if len(source.cases) < edits:
        raise InputError(f"{edits} edits are wanted and {source.name} gives {len(source.cases)}: ask for fewer.")
    chosen = tuple(draw(source.cases, seed, edits))
    return Battery(chosen, _unedited(source.cases, chosen, known, seed), source.text)


def _unedited(cases: Sequence[Case], chosen: Sequence[Case], count: int, seed: int) -> tuple[Probe, ...]:
    """True facts about no edited subject, one a subject, drawn by the seed; fewer where the data set has no more."""
    edited = {case.fact.subject for case in chosen}
    asked = {probe.prompt for case in chosen for probe in case.neighbours}
    rest = {
        case.fact.subject: Probe(case.fact.text, case.fact.answer)
        for case in cases
        if case.fact.answer is not None and case.fact.subject not in edited and case.fact.text not in asked
    }
    return tuple(random.Random(f"known {seed}").sample(list(rest.values()), min(count, len(rest))))

"""The cases of every seed: facts that no detector was trained on and no settings were chosen on, or a data set's.

The detectors that come with the embedded models (LAND, the fact code) were trained on nine tenths of their facts, in
ten phrasings; the grid takes the other tenth, and as paraphrases the phrasings that neither the models nor the
detectors were trained on. Localizers may be given the ten. Of a data set's cases seed 0 takes the first, in the file's
order; any other seed draws as many, and keeps their order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from errata.datasets import pararel, pocket
from errata.datasets.collected import draw
from errata.errors import InputError
from errata.facts import Case
from errata.model.pocket.corpus import PocketFact
from errata.reproduce.source import POCKET, TUNED, Source, digest

# The split of the shipped detectors, as their provenance says.
TRAINED_SEED = 0
# Facts on which settings were chosen: ROME's, and KNE's.
CHOSEN_ON = (TUNED, {"count": 40, "seed": 7}, {"count": 40, "seed": 11})


@dataclass(frozen=True)
class Drawn:
    """The cases of a seed, and beside them each fact's other phrasings that a localizer may be given."""

    cases: tuple[Case, ...]
    phrasings: tuple[tuple[str, ...], ...]

    def digest(self) -> str:
        """A hash of all that is asked."""
        return digest(asdict(self))


def drawn(source: Source) -> str:
    """What the facts are, as a page says it."""
    if source.cases is None:
        return f"{source.name} that no detector was trained on and no settings were chosen on"
    return source.name


def cases_of(source: Source, seed: int, count: int) -> Drawn:
    """The cases of a seed; raises InputError where there are fewer than wanted."""
    if source.cases is None:
        found = _embedded(source.name.removeprefix(POCKET), seed)
    else:
        found = [(case, case.paraphrases) for case in source.cases]
    if len(found) < count:
        raise InputError(
            f"{count} facts are wanted and {source.name} gives {len(found)}: give --facts a smaller number."
        )
    chosen = found[:count] if source.cases is None else draw(found, seed, count)
    cases, phrasings = zip(*chosen, strict=True)
    return Drawn(cases, phrasings)


def about(source: Source, found: Sequence[Drawn]) -> dict[str, Any]:
    """What a result says of its facts: where they are from, how many differ, and how many paraphrases are scored."""
    paraphrases = [len(case.paraphrases) for one in found for case in one.cases]
    return {
        **source.described,
        "drawn": drawn(source),
        "facts": len({case.fact.key for one in found for case in one.cases}),
        "digests": [one.digest() for one in found],
        "paraphrases": [min(paraphrases), max(paraphrases)],
        "heldout": source.cases is None,
    }


def _embedded(kind: str, seed: int) -> list[tuple[Case, tuple[str, ...]]]:
    """Counterfactual cases of the held-out tenth with trained phrasings, no subject twice, in the seed's order."""
    heldout = {(fact.relation, fact.subject) for fact in pararel.embedded(kind).split(TRAINED_SEED).test}
    left_out = {case.fact.subject for chosen in CHOSEN_ON for case in pocket.cases(kind, **chosen)}
    rows = pocket.facts(kind)
    places = [at for at, row in enumerate(rows) if (row.relation, row.subject) in heldout]
    random.Random(seed).shuffle(places)
    chosen = {rows[at].subject: at for at in reversed(places) if rows[at].subject not in left_out}
    kept = [at for at in places if chosen.get(rows[at].subject) == at]
    return [(_case(rows[at], rows, f"{seed}-{at}"), rows[at].prompts[1:]) for at in kept]


def _case(row: PocketFact, rows: Sequence[PocketFact], chance: str) -> Case:
    """A row's case, paraphrased as nothing was trained on."""
    return replace(pocket.case_of(row, rows, random.Random(chance)), paraphrases=row.heldout_prompts)

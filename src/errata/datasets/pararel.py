"""ParaRel for left-to-right models: every fact in ten phrasings that end where the object begins, split 9 : 1 by fact.

Source: Elazar et al. 2021, "Measuring and Improving Consistency in Pretrained Language Models" (MIT), from the folder
of a user who has it; the pairs come from LAMA's T-REx, the facts from Wikidata (CC0). The set of the LAND paper
(§3.1) is that of knowledge-neurons (Dai et al. 2022): 27,738 pairs of 34 relations, 253,448 queries with every
ParaRel template. The adaptation is LAND's: templates that end in `[Y]` stay, a relation with fewer than ten is topped
up to ten, one with more keeps its first ten.

Departures from the paper: it speaks of 37 relations, its numbers are those of 34. What tops up was written by hand
(see errata.datasets.phrasings), not by a language model. The split keeps all objects of a subject and relation, and a
pair that stands in the set twice, on one side, so that no prompt of the second part is ever trained on; and it is made
relation by relation, so that each relation is in both parts.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errata.datasets import pararel_files, phrasings, pocket
from errata.datasets.pararel_files import Pair
from errata.datasets.phrasings import COUNT, OBJECT, SUBJECT, Phrasing
from errata.errors import InputError
from errata.facts import SLOT, Fact
from errata.model.pocket import corpus

PAPER_RELATIONS, PAPER_PAIRS = 34, 27_738
TENTH = 10


@dataclass(frozen=True, slots=True)
class PhrasedFact:
    """One fact with its ten prompts, and more to test with where there are any; `{}` stands for the subject in each."""

    relation: str
    subject: str
    object: str
    prompts: tuple[str, ...]
    heldout_prompts: tuple[str, ...] = ()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The fact ten times, each time asked with another prompt."""
        return self._asked(self.prompts)

    @property
    def heldout(self) -> tuple[Fact, ...]:
        """The fact in the phrasings that are only tested with."""
        return self._asked(self.heldout_prompts)

    def _asked(self, prompts: Sequence[str]) -> tuple[Fact, ...]:
        return tuple(Fact(self.subject, prompt, answer=self.object, relation=self.relation) for prompt in prompts)


@dataclass(frozen=True, slots=True)
class Split:
    """What to train on and what to measure on; no subject of a relation is in both."""

    train: tuple[PhrasedFact, ...]
    test: tuple[PhrasedFact, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation: its ten phrasings, its pairs of subject and object, and phrasings that are only tested with."""

    name: str
    phrasings: tuple[Phrasing, ...]
    pairs: tuple[Pair, ...]
    heldout: tuple[Phrasing, ...] = ()

    def __post_init__(self) -> None:
        found = len(phrasings.distinct(self.phrasings))
        if (found, len(self.phrasings)) != (COUNT, COUNT):
            raise InputError(
                f"Expected {COUNT} different phrasings of {self.name} that end in [Y], found {found}: give a file "
                "with more of them (errata data augment asks a language model for some)."
            )

    @property
    def facts(self) -> tuple[PhrasedFact, ...]:
        """Every pair as a fact in ten phrasings."""
        prompts, more = (tuple(row.prompt for row in rows) for rows in (self.phrasings, self.heldout))
        return tuple(PhrasedFact(self.name, subject, obj, prompts, more) for subject, obj in self.pairs)

    def split(self, seed: int = 0) -> Split:
        """Nine parts and one of the facts; see `ParaRel.split`."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, (subject, _) in enumerate(self.pairs):
            groups[subject].append(index)
        subjects = list(groups)
        random.Random(f"{seed}-{self.name}").shuffle(subjects)
        wanted = round(len(self.pairs) / TENTH)
        chosen: set[int] = set()
        for subject in subjects:
            if len(chosen) + len(groups[subject]) <= wanted:
                chosen.update(groups[subject])
        facts = self.facts
        return Split(
            train=tuple(fact for index, fact in enumerate(facts) if index not in chosen),
            test=tuple(facts[index] for index in sorted(chosen)),
        )


@dataclass(frozen=True, slots=True)
class ParaRel:
    """Relations with ten phrasings each."""

    relations: tuple[Relation, ...]

    @property
    def facts(self) -> tuple[PhrasedFact, ...]:
        """Every fact of every relation, in order."""
        return tuple(fact for relation in self.relations for fact in relation.facts)

    def split(self, seed: int = 0) -> Split:
        """Every relation's facts 9 : 1, drawn by subject; the same seed gives the same parts.

        The second part of a relation has a tenth of its facts, rounded to the nearest whole number, or less where the
        subjects' numbers of facts do not add up to it.
        """
        parts = [relation.split(seed) for relation in self.relations]
        return Split(
            train=tuple(fact for part in parts for fact in part.train),
            test=tuple(fact for part in parts for fact in part.test),
        )


def embedded(kind: str = "gelu") -> ParaRel:
    """The facts of the embedded model `gelu` or `swiglu`, in the ten phrasings it was trained on; two more test."""
    trained = corpus.phrasings()
    return ParaRel(
        tuple(
            Relation(
                name,
                tuple(_as_phrasing(name, form) for form in trained[name].train),
                tuple((row.subject, row.object) for row in rows),
                tuple(_as_phrasing(name, form) for form in trained[name].heldout),
            )
            for name, rows in pocket.by_relation(pocket.facts(kind)).items()
        )
    )


def read(folder: str | Path, more: str | Path | None = None, relations: Sequence[str] | None = None) -> ParaRel:
    """The facts of a user's ParaRel folder, in ten phrasings each.

    What the folder may look like, errata.datasets.pararel_files says.
    A relation's phrasings are the folder's, then the shipped ones, then those of the JSONL file `more`: the first
    ten. `relations` are those to read; by default the 34 shipped ones, as far as the folder has them.
    Raises InputError, with file and line, for a damaged file, and for a relation without pairs or ten phrasings.
    """
    root = Path(folder)
    shipped = phrasings.by_relation(phrasings.read())
    written = phrasings.by_relation(phrasings.read(Path(more))) if more is not None else {}
    templates, pairs = pararel_files.templates(root), pararel_files.pairs(root)
    for name in relations or ():
        if name not in pairs:
            raise InputError(f"The folder {root} has no pairs of {name}: choose among {', '.join(sorted(pairs))}.")
    names = tuple(dict.fromkeys(relations)) if relations is not None else tuple(n for n in shipped if n in pairs)
    if not names:
        raise InputError(f"The folder {root} has none of the {len(shipped)} relations: name those to read.")
    return ParaRel(
        tuple(
            Relation(
                name,
                phrasings.distinct((*templates.get(name, ()), *shipped.get(name, ()), *written.get(name, ())))[:COUNT],
                pairs[name],
            )
            for name in names
        )
    )


def read_paper(folder: str | Path) -> ParaRel:
    """The set of the LAND paper from a user's folder; raises InputError where it is not 34 relations, 27,738 pairs."""
    data = read(folder)
    missing = phrasings.by_relation(phrasings.read()).keys() - {relation.name for relation in data.relations}
    if missing or len(data.facts) != PAPER_PAIRS:
        raise InputError(
            f"Expected the paper's {PAPER_RELATIONS} relations and {PAPER_PAIRS:,} pairs, found "
            f"{len(data.relations)} and {len(data.facts):,} in {folder}"
            f"{' (without ' + ', '.join(sorted(missing)) + ')' if missing else ''}: "
            "put knowledge-neurons' query_pairs.json there."
        )
    return data


def _as_phrasing(relation: str, prompt: str) -> Phrasing:
    return Phrasing(relation, f"{prompt.replace(SLOT, SUBJECT)} {OBJECT}", "pocket")

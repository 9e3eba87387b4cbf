"""Phrasings of a relation for left-to-right models: `[X]` once, for the subject, and `[Y]`, for the object, at the end.

phrasings.jsonl holds ten of each of the 34 relations of the knowledge-neurons set, in the order in which they are
used. Those of source `pararel` are ParaRel's (Elazar et al. 2021, MIT): its templates that end in `[Y]`, without the
full stop, begun with a capital letter. Those of source `errata` were written to make up ten.

What a phrasing must be: `[X]` and `[Y]` once, `[Y]` last and behind a space; a beginning that is `[X]` or a capital
letter; `[X]` a word of its own, or with 's or a comma behind it; single spaces. Those written for Errata, and those a
language model is asked for, do not end in `a` or `an` either (`strict`), since the object may want the other.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from errata.datasets import records
from errata.errors import InputError
from errata.facts import SLOT

SUBJECT, OBJECT = "[X]", "[Y]"
COUNT = 10
LONGEST = 200
PARARELS = "pararel"
SHIPPED = Path(__file__).with_name("phrasings.jsonl")

_ARTICLE = re.compile(r"\ban? \[Y\]$", re.IGNORECASE)
_SUBJECT = re.compile(r"(?:^|(?<= ))\[X\](?=[ ,]|'s )")


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to say a relation, and whose words it is in. Raises InputError for a template that is not sound."""

    relation: str
    template: str
    source: str

    def __post_init__(self) -> None:
        reason = fault(self.template)
        if reason is not None:
            raise InputError(
                f"The phrasing {self.template!r} of {self.relation} {reason}: write it like '[X] is part of [Y]'."
            )

    @property
    def prompt(self) -> str:
        """The phrasing as a fact's prompt: `{}` for the subject, and the end where the object stood."""
        return self.template.removesuffix(f" {OBJECT}").replace(SUBJECT, SLOT)


def fault(template: str, strict: bool = False) -> str | None:
    """What is wrong with a template, or None; `strict` also refuses an indefinite article in front of `[Y]`."""
    rules = (
        (template.count(SUBJECT) != 1, f"has {template.count(SUBJECT)} times [X], not once"),
        (template.count(OBJECT) != 1, f"has {template.count(OBJECT)} times [Y], not once"),
        (not template.endswith(f" {OBJECT}"), "does not end in [Y] behind a space"),
        (not template.isprintable() or SLOT in template, "has a sign that is no text"),
        (template != " ".join(template.split()), "has more than single spaces"),
        (len(template) > LONGEST, f"is longer than {LONGEST} characters"),
        (not (template.startswith(SUBJECT) or template[:1].isupper()), "begins with neither [X] nor a capital letter"),
        (_SUBJECT.search(template) is None, "does not have [X] as a word of its own"),
        (strict and _ARTICLE.search(template) is not None, "ends in an article that not every object goes with"),
    )
    return next((reason for broken, reason in rules if broken), None)


def adapted(pattern: str) -> str | None:
    """A ParaRel pattern for a left-to-right model, or None where the object is not at its end."""
    words = " ".join(re.sub(r"[\s.]+$", "", pattern).split())
    return words[:1].upper() + words[1:] if words.endswith(f" {OBJECT}") else None


def likeness(template: str) -> str:
    """What two templates share that differ in capitals, spaces and punctuation only."""
    return re.sub(r"[^\w']+", " ", template.casefold())


def distinct(phrasings: Iterable[Phrasing]) -> tuple[Phrasing, ...]:
    """Phrasings of which no two are alike, in order: of those that are, the first."""
    kept: dict[str, Phrasing] = {}
    for phrasing in phrasings:
        kept.setdefault(likeness(phrasing.template), phrasing)
    return tuple(kept.values())


def by_relation(phrasings: Iterable[Phrasing]) -> dict[str, tuple[Phrasing, ...]]:
    """Phrasings grouped by relation, in order."""
    grouped: dict[str, list[Phrasing]] = defaultdict(list)
    for phrasing in phrasings:
        grouped[phrasing.relation].append(phrasing)
    return {relation: tuple(group) for relation, group in grouped.items()}


def read(path: Path = SHIPPED) -> tuple[Phrasing, ...]:
    """The phrasings of a JSONL file with `relation`, `template` and `source`; the shipped ones by default.

    Raises InputError with the place of a line that is no phrasing.
    """
    found: list[Phrasing] = []
    for place, row in records.lines(path, "relation", "template", "source"):
        try:
            found.append(Phrasing(row["relation"], row["template"], row["source"]))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    return tuple(found)


def write(path: Path, phrasings: Iterable[Phrasing]) -> None:
    """Write what `read` reads; the file is the old one or the new one, never half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in phrasings), encoding="utf-8")
    part.replace(path)

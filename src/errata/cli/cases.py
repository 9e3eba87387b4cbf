"""Cases from the command line: a fact and the prompts that test it, from options, a JSONL file or a pocket model.

A line of a JSONL file is one object with `subject`, `prompt`, `target` and, if wanted, `answer`, `relation`,
`paraphrases` (texts) and `neighbours` (texts "PROMPT=ANSWER", or objects with `prompt` and `answer`). `{}` stands for
the subject in prompts and paraphrases.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from errata.datasets import pocket
from errata.errors import InputError
from errata.facts import SLOT, Case, Fact, Probe
from errata.model.pocket.corpus import PocketFact

REQUIRED = ("subject", "prompt", "target")
OPTIONAL = ("answer", "relation")
LISTS = ("paraphrases", "neighbours")
NEIGHBOURS = 10

T = TypeVar("T")


def case_of(fact: Fact, paraphrases: Iterable[str] = (), neighbours: Iterable[str | Probe] = ()) -> Case:
    """A case from texts; raises InputError for an empty prompt or a neighbour without an answer."""
    prompts = tuple(_prompt(text.replace(SLOT, fact.subject)) for text in paraphrases)
    return Case(fact, prompts, tuple(near if isinstance(near, Probe) else neighbour(near) for near in neighbours))


def neighbour(text: str) -> Probe:
    """A neighbour from "PROMPT=ANSWER"."""
    prompt, equals, answer = text.rpartition("=")
    if not equals or not prompt.strip() or not answer.strip():
        raise InputError(f"The neighbour {text!r} is not PROMPT=ANSWER: write its prompt, = and the answer it gives.")
    return Probe(_prompt(prompt), answer.strip())


def read_cases(path: Path) -> list[tuple[int, Case]]:
    """Every case of a JSONL file with its line number; raises InputError, with file and line, for a broken one."""
    return _read(path, _case, "facts")


def read_probes(path: Path) -> list[Probe]:
    """Every line of a JSONL file of objects with `prompt` and `answer`; raises InputError as `read_cases` does."""
    return [probe for _, probe in _read(path, _known, "known facts")]


def _read(path: Path, convert: Callable[[Any], T], what: str) -> list[tuple[int, T]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file {path} cannot be read ({error}): give a JSONL file of {what}.") from error
    found: list[tuple[int, T]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append((number, convert(json.loads(line))))
            except json.JSONDecodeError as error:
                broken = f"{path}, line {number}: this is not JSON ({error.msg} at column {error.colno})"
                raise InputError(f"{broken}; give one object a line.") from error
            except InputError as error:
                raise InputError(f"{path}, line {number}: {error}") from error
    if not found:
        raise InputError(f"The file {path} holds no {what}: give one JSON object a line.")
    return found


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


def _case(row: Any) -> Case:
    if not isinstance(row, dict):
        raise InputError(f"this is a {type(row).__name__}, not an object with {', '.join(REQUIRED)}.")
    given = cast(dict[str, Any], row)
    unknown = sorted(set(given) - {*REQUIRED, *OPTIONAL, *LISTS})
    if unknown:
        raise InputError(
            f"there is no field {unknown[0]!r}; the fields are {', '.join((*REQUIRED, *OPTIONAL, *LISTS))}."
        )
    for name in REQUIRED:
        if not isinstance(given.get(name), str):
            raise InputError(f"the field {name!r} is missing or not a text.")
    for name in OPTIONAL:
        if not isinstance(given.get(name, ""), str | None):
            raise InputError(f"the field {name!r} is not a text.")
    fact = Fact(given["subject"], given["prompt"], given["target"], given.get("answer"), given.get("relation"))
    return case_of(fact, _texts(given, "paraphrases"), map(_near, _list(given, "neighbours")))


def _near(value: Any) -> str | Probe:
    if isinstance(value, str):
        return value
    texts: list[Any] = [value.get(name) for name in ("prompt", "answer")] if isinstance(value, dict) else [None]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError('a neighbour is "PROMPT=ANSWER" or an object with prompt and answer.')
    return Probe(_prompt(texts[0]), texts[1].strip())


def _known(value: Any) -> Probe:
    if not isinstance(value, dict):
        raise InputError("a known fact is an object with prompt and answer.")
    return cast(Probe, _near(value))


def _list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name) or []
    if not isinstance(value, list):
        raise InputError(f"the field {name!r} is not a list.")
    return cast(list[Any], value)


def _texts(row: dict[str, Any], name: str) -> list[str]:
    values = _list(row, name)
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"the field {name!r} is not a list of texts.")
    return values


def _prompt(text: str) -> str:
    if not text.strip():
        raise InputError("A paraphrase or neighbour is empty: give a prompt that ends where its answer begins.")
    return text.rstrip()

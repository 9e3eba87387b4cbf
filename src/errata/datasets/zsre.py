"""ZsRE as cases: a question with another answer, a rephrasing, and a question of Natural Questions that should stay.

Source: Levy et al. 2017, "Zero-Shot Relation Extraction via Reading Comprehension", in the editing form of Mitchell
et al. 2022 (MEND): a JSON list or JSONL, gzipped or not, from the file of a user who has it.

    src        the question          alt      the answer it shall get      answers   the true ones
    rephrase   another wording       loc      an unrelated question        loc_ans   its answer

A record's `portability` and `cond` are not read; the `nq question: ` in front of `loc` is kept as published.

Departures: ZsRE names no relation, so a fact is its subject and question. A record whose `alt` is empty or
among `answers` is left out and counted, as is a second one of the same subject and question.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errata.datasets.collected import NO_TARGET, TRUE_ALREADY, Collected, collect
from errata.datasets.records import field, fields, objects
from errata.errors import InputError
from errata.facts import Case, Fact, Probe


def read(paths: Sequence[str | Path], count: int | None = None) -> Collected:
    """The first `count` cases of ZsRE's files, in their order; all by default.

    Raises InputError, with file and record, for a record of another layout, and for fewer cases than `count`.
    """
    return collect((found for path in paths for found in objects(Path(path))), _case, count)


def _case(place: str, row: dict[str, Any]) -> Case | str:
    answers = fields(place, row, "answers")
    if not answers:
        raise InputError(f"{place}: expected an answer under 'answers', found none; give it as it was published.")
    if row.get("alt") == "":
        return NO_TARGET
    target = field(place, row, "alt")
    if target in answers:
        return TRUE_ALREADY
    return Case(
        Fact(field(place, row, "subject"), field(place, row, "src"), target, answers[0]),
        (field(place, row, "rephrase"),),
        (Probe(field(place, row, "loc"), field(place, row, "loc_ans")),),
    )

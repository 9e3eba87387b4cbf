"""CounterFact as cases: a false target for a fact, paraphrases that should follow it, neighbours that should not.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT" (MIT), 21,919 records, from the file of a
user who has it. Two layouts are read, as a JSON list or as JSONL, gzipped or not:

    original   requested_rewrite {prompt, relation_id, subject, target_new {str}, target_true {str}},
               paraphrase_prompts (two), neighborhood_prompts (ten, whose answer is target_true)
    compact    subject, template or prompt, relation_id, target_new, target_true, rephrase_prompt, locality_prompt,
               locality_ground_truth: one paraphrase and one neighbour, as in EasyEdit's split files

Departures: a second record of the same subject and relation is left out and counted, because its edit would undo the
first's; without a relation, subject and prompt tell. Attribute and generation prompts are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errata.datasets.collected import TRUE_ALREADY, Collected, collect
from errata.datasets.records import field, fields, objects
from errata.facts import Case, Fact, Probe


def read(paths: Sequence[str | Path], count: int | None = None) -> Collected:
    """The first `count` cases of CounterFact's files, in their order; all by default.

    Raises InputError, with file and record, for a record of another layout, and for fewer cases than `count`.
    """
    return collect((found for path in paths for found in objects(Path(path))), _case, count)


def _case(place: str, row: dict[str, Any]) -> Case | str:
    return _original(place, row) if "requested_rewrite" in row else _compact(place, row)


def _original(place: str, row: dict[str, Any]) -> Case | str:
    texts = {
        name: field(place, row, f"requested_rewrite.{name}")
        for name in ("subject", "prompt", "target_new.str", "target_true.str", "relation_id")
    }
    answer, target = texts["target_true.str"], texts["target_new.str"]
    if answer == target:
        return TRUE_ALREADY
    return Case(
        Fact(texts["subject"], texts["prompt"], target, answer, texts["relation_id"]),
        fields(place, row, "paraphrase_prompts"),
        tuple(Probe(prompt, answer) for prompt in fields(place, row, "neighborhood_prompts")),
    )


def _compact(place: str, row: dict[str, Any]) -> Case | str:
    answer, target = field(place, row, "target_true"), field(place, row, "target_new")
    if answer == target:
        return TRUE_ALREADY
    prompt = field(place, row, "template" if "template" in row else "prompt")
    relation = field(place, row, "relation_id") if row.get("relation_id") is not None else None
    return Case(
        Fact(field(place, row, "subject"), prompt, target, answer, relation),
        (field(place, row, "rephrase_prompt"),),
        (Probe(field(place, row, "locality_prompt"), field(place, row, "locality_ground_truth")),),
    )

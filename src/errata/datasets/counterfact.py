"""CounterFact as examinations: a false target for a fact, paraphrases that follow it, neighbours that do not.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT" (MIT), 21,919 records. Layouts:

    original   requested_rewrite {prompt, relation_id, subject, target_new {str}, target_true {str}},
               paraphrase_prompts (two), neighborhood_prompts (ten, whose answer is target_true),
               attribute_prompts (other subjects that have the target), generation_prompts (openings on the subject)
    compact    subject, template or prompt, target_new, target_true (EasyEdit: ground_truth), rephrase_prompt,
               locality_prompt, locality_ground_truth: one paraphrase and one neighbour; relation_id where it is known
    pooled     case_id, prompts: up to ten neighbours for the compact record of that case_id, given as another file

Departures: a second record of the same subject and relation is left out and counted, because its edit would undo the
first's; without a relation, subject and prompt tell. Pooled neighbours are of other cases with the same relation and
true object, not the original ten. The paper compares what is written with Wikipedia's texts about other subjects that
have the target; they are not in the file, so `references` are the attribute prompts with the target (ours).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from errata.datasets.collected import unfit
from errata.datasets.records import Record, field, fields, objects, unusable
from errata.facts import Case, Examination, Fact, Probe

NO_CASE = "neighbours of a case in another file"
POOLED = "pooled neighbours"


def records(paths: Sequence[Path]) -> Iterator[Record]:
    """The records of all files; those of the compact layout with their pooled neighbours, where a file has some."""
    firsts = {path: next(objects(path), ("", {}))[1] for path in paths}
    pools = [path for path in paths if _is_pool(firsts[path])]
    if not pools or len(pools) == len(paths):
        for path in paths:
            yield from objects(path)
        return
    prompts = {row.get("case_id"): fields(place, row, "prompts") for path in pools for place, row in objects(path)}
    for path in paths:
        if path not in pools:
            for place, row in objects(path):
                yield place, row if "requested_rewrite" in row else _with_neighbours(place, row, prompts)


def examination(place: str, row: dict[str, Any]) -> Examination | str:
    """The examination of a record of any layout, or why it is left out."""
    if _is_pool(row):
        return NO_CASE
    return _original(place, row) if "requested_rewrite" in row else _compact(place, row)


def _original(place: str, row: dict[str, Any]) -> Examination | str:
    subject, prompt, target, answer, relation = (
        field(place, row, f"requested_rewrite.{name}")
        for name in ("subject", "prompt", "target_new.str", "target_true.str", "relation_id")
    )
    attributes, openings = (
        fields(place, row, name) if name in row else () for name in ("attribute_prompts", "generation_prompts")
    )
    return unfit(subject, prompt, target, [answer]) or Examination(
        Case(
            Fact(subject, prompt, target, answer, relation),
            fields(place, row, "paraphrase_prompts"),
            tuple(Probe(one, answer) for one in fields(place, row, "neighborhood_prompts")),
        ),
        essence=tuple(dict.fromkeys(openings)),
        references=tuple(f"{one} {target}." for one in dict.fromkeys(attributes)),
    )


def _compact(place: str, row: dict[str, Any]) -> Examination | str:
    subject, target = field(place, row, "subject"), field(place, row, "target_new")
    answer = field(place, row, "ground_truth" if "ground_truth" in row else "target_true")
    prompt = field(place, row, "template" if "template" in row else "prompt")
    relation = field(place, row, "relation_id") if row.get("relation_id") is not None else None
    own = Probe(field(place, row, "locality_prompt"), field(place, row, "locality_ground_truth"))
    pooled = tuple(Probe(one, answer) for one in row.get(POOLED, ()))
    return unfit(subject, prompt, target, [answer]) or Examination(
        Case(Fact(subject, prompt, target, answer, relation), (field(place, row, "rephrase_prompt"),), pooled or (own,))
    )


def _is_pool(row: dict[str, Any]) -> bool:
    return "prompts" in row and "subject" not in row


def _with_neighbours(place: str, row: dict[str, Any], prompts: dict[Any, tuple[str, ...]]) -> dict[str, Any]:
    found = prompts.get(row.get("case_id"))
    if found is None:
        advice = "give the file of neighbours that belongs to this one, or none"
        raise unusable(place, "a case_id that has pooled neighbours", row.get("case_id"), advice)
    return {**row, POOLED: found}

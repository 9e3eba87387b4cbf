"""MQuAKE as examinations: one fact or several that are edited together, and questions over several hops that follow.

Source: Zhong et al. 2023, "MQuAKE: Assessing Knowledge Editing in Language Models via Multi-Hop Questions" (MIT);
MQuAKE-CF-3k has 3,000 records. Layout:

    requested_rewrite   the facts to edit: subject, prompt, relation_id, target_new {str}, target_true {str}, question
    questions           three wordings of one question over two to four hops
    new_answer          what is right after the edit, with new_answer_alias
    new_single_hops     the hops, each a question and a cloze with its answer and answer_alias

The first fact is the case's own, in two wordings: `prompt` and, as its paraphrase, `question`. The others are `more`.
Consequences are of the kinds `multi_hop`, the three questions, and `single_hop`, the cloze of every hop but the case's
own fact. Names of the target are those of its hop.

Departures: records share facts, with the same target or another, and none is left out for it, since each is edited by
itself: 2,353 sets of facts stand in the 3,000 records of CF-3k. Answers before the edit (`answer`, `single_hops`) are
not read.
"""

from __future__ import annotations

from typing import Any

from errata.datasets.collected import unfit
from errata.datasets.records import field, fields, unusable
from errata.facts import Case, Consequence, Examination, Fact


def examination(place: str, row: dict[str, Any]) -> Examination | str:
    """The examination of a record, or why it is left out."""
    rewrites = _objects(place, row, "requested_rewrite")
    found = [_fact(place, one) for one in rewrites]
    reasons = [one for one in found if isinstance(one, str)]
    if reasons:
        return reasons[0]
    own, *more = [one for one in found if isinstance(one, Fact)]
    hops = {field(place, hop, "cloze"): _names(place, hop, "answer") for hop in _objects(place, row, "new_single_hops")}
    multi_hop = _names(place, row, "new_answer")
    return Examination(
        Case(own, (field(place, rewrites[0], "question"),)),
        consequences=(
            *(Consequence("multi_hop", question, multi_hop) for question in fields(place, row, "questions")),
            *(Consequence("single_hop", cloze, names) for cloze, names in hops.items() if cloze != own.text),
        ),
        aliases=tuple(name for name in hops.get(own.text, ()) if name != own.target),
        more=tuple(more),
    )


def _fact(place: str, row: dict[str, Any]) -> Fact | str:
    subject, prompt, target, answer, relation = (
        field(place, row, name) for name in ("subject", "prompt", "target_new.str", "target_true.str", "relation_id")
    )
    return unfit(subject, prompt, target, [answer]) or Fact(subject, prompt, target, answer, relation)


def _names(place: str, row: dict[str, Any], name: str) -> tuple[str, ...]:
    """The answer under a name and its aliases, each once."""
    aliases = fields(place, row, f"{name}_alias") if f"{name}_alias" in row else ()
    return tuple(dict.fromkeys((field(place, row, name), *aliases)))


def _objects(place: str, row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = row.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise unusable(place, f"a list of objects under {name!r}", found, "give it as it was published")
    return found

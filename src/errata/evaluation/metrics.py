"""The scores of an edit from what the model said before and after it.

    efficacy     1 when the edit prompt says the target, else 0
    paraphrase   share of a case's paraphrases that say the target
    neighbours   share of a case's neighbours whose answer is the one given before the edit

Protocol "generation": every prompt is continued greedily to the model's own end, with no gold prefix and no gold
length, and the target must be the whole answer. A case without paraphrases (neighbours) does not count in that score,
and a score that no case counts in is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from errata.errors import InputError
from errata.evaluation.compare import compare
from errata.evaluation.probes import CaseOutcome
from errata.scores import Score, Scores

PROTOCOL = "generation"


def score(before: Sequence[CaseOutcome], after: Sequence[CaseOutcome]) -> Scores:
    """Efficacy, paraphrase and neighbours of outcomes of the same cases in the same order.

    Raises InputError where their numbers differ.
    """
    if len(before) != len(after):
        raise InputError(f"There are {len(before)} outcomes before and {len(after)} after: probe the same cases.")
    comparisons = [compare(*pair) for pair in zip(before, after, strict=True)]
    per_case = {
        "efficacy": [[float(found.took)] for found in comparisons],
        "paraphrase": [[float(change.after.right) for change in found.of("paraphrase")] for found in comparisons],
        "neighbours": [[float(change.unchanged) for change in found.of("neighbour")] for found in comparisons],
    }
    scores: list[Score] = []
    for name, rows in per_case.items():
        values = tuple(sum(row) / len(row) for row in rows if row)
        if values:
            scores.append(Score(name, PROTOCOL, "higher", values))
    return Scores(scores)

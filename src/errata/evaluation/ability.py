"""General ability: what a model can still do besides what was edited, in one call and before and after alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errata.evaluation.harness import Harnessed, harness
from errata.evaluation.perplexity import Perplexity, perplexity
from errata.evaluation.task_files import Item, score_items
from errata.model.view import ModelView
from errata.scores import Score, Scores


@dataclass(frozen=True, slots=True, eq=False)
class Abilities:
    """Scores named `task/metric`, of local tasks and of the harness, and the perplexity where a text was given."""

    scores: Scores
    perplexity: Perplexity | None
    harnessed: Harnessed | None

    def to_dict(self) -> dict[str, Any]:
        """The abilities as plain values for JSON."""
        return {
            "scores": self.scores.to_dict(),
            "perplexity": None if self.perplexity is None else self.perplexity.to_dict(),
            "harness": None if self.harnessed is None else self.harnessed.results(),
        }


def abilities(
    view: ModelView,
    local: Mapping[str, Sequence[Item]] | None = None,
    tasks: Sequence[str] = (),
    text: str | None = None,
    limit: int | None = None,
    fewshot: int | None = None,
) -> Abilities:
    """Measure a model as it now is: on `local` items by the task's name, `tasks` of the harness, held-out `text`.

    `limit` is the number of first items, or documents, of every task; `fewshot` goes to the harness alone.
    Raises InputError for what cannot be asked, MissingPackageError for tasks of a harness that is not installed.
    """
    ran = harness(view, tasks, limit, fewshot) if tasks else None  # what may be missing fails first
    scores = [
        Score(f"{name}/{one.name}", one.protocol, one.direction, one.values)
        for name, items in (local or {}).items()
        for one in score_items(view, items[:limit]).values()
    ]
    if ran is not None:
        scores += ran.scores.values()
    return Abilities(Scores(scores), None if text is None else perplexity(view, text), ran)

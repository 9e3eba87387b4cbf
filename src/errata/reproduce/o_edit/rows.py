"""What a unit's file says, read as rows of numbers: one for each number of edits at which it was scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from errata.reproduce.o_edit.plan import Unit
from errata.reproduce.summary import mean
from errata.scores import Scores
from errata.sequences import Checkup, Health
from errata.sequences.checkup import joined

SCORES = ("efficacy", "generalization", "specificity")
# Scores of all edits so far, the same right after each step, and what else a checkup measures; `mean` is that of the
# scores that the data set has probes for.
METRICS = (
    *SCORES,
    "mean",
    *(f"after_{name}" for name in (*SCORES, "mean")),
    "known",
    "perplexity",
    "relative",
    "growth",
    "space",
    "cosine",
)


@dataclass(frozen=True)
class Done:
    """A unit and its file's content; None where it was not measured yet."""

    unit: Unit
    found: dict[str, Any] | None

    @cached_property
    def checkups(self) -> tuple[Checkup, ...]:
        """Its checkups, by number of edits; none where it was not measured."""
        rows = [] if self.found is None else self.found.get("checkups", [])
        return tuple(Checkup.from_dict(row) for row in rows)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row of plain numbers a checkup; a number that was not measured is None."""
        return [_row(self.checkups[: place + 1]) for place in range(len(self.checkups))]

    @cached_property
    def alarms(self) -> list[dict[str, Any]]:
        """The checkups at which the default thresholds of errata.sequences.health raise an alarm."""
        judged = [Health().judge(self.checkups[: place + 1]) for place in range(len(self.checkups))]
        return [{"edits": alarm.at, "reason": alarm.reason} for alarm in judged if alarm is not None]


def _row(checkups: Sequence[Checkup]) -> dict[str, Any]:
    last = checkups[-1]
    cosines = [layer.cosine_mean for layer in last.layers if layer.cosine_mean is not None]
    return {
        "edits": last.done,
        **_scores(last.all, ""),
        **_scores(joined([one.right_after for one in checkups]), "after_"),
        "known": None if last.known is None else last.known.mean,
        "perplexity": last.perplexity,
        "relative": last.relative,
        "growth": last.growth,
        "space": max((layer.share for layer in last.layers), default=0.0),
        "cosine": max(cosines, default=None),
    }


def _scores(scores: Scores, prefix: str) -> dict[str, float | None]:
    found = {name: scores[name].mean if name in scores else None for name in SCORES}
    measured = [value for value in found.values() if value is not None]
    return {f"{prefix}{name}": value for name, value in {**found, "mean": mean(measured)}.items()}

"""The table of docs/leaderboard.md from benchmarks/results/leaderboard.json."""

from __future__ import annotations

from typing import Any

from errata.reports.markdown import MISSING
from errata.reports.markdown import table as written

ALONE = ("efficacy", "generalization", "specificity")
IN_A_ROW = ("efficacy", "specificity", "known")


def table(result: dict[str, Any]) -> str:
    """A row a method and model: percent, protocol generation, edited alone and at the end of a sequence."""
    rows: list[tuple[str, ...]] = []
    for model in result["weights"]:
        for method in result["methods"]:
            own = [one for one in result["entries"] if (one["model"], one["method"]) == (model, method)]
            alone = next((one for one in own if one["kind"] == "single"), None)
            last = next((one for one in own if one["when"] == "at the end"), None)
            rows.append((model, method, *_shares(alone, ALONE), *_shares(last, IN_A_ROW)))
    head = ("model", "method", *(f"alone: {name}" for name in ALONE), *(f"in a row: {name}" for name in IN_A_ROW))
    return written(head, rows, 2)


def _shares(entry: dict[str, Any] | None, names: tuple[str, ...]) -> tuple[str, ...]:
    if entry is None:
        return (MISSING,) * len(names)
    scores = entry["scores"]["generation"]
    return tuple(f"{100 * scores[name]['mean']:.1f}" for name in names)

"""The table of docs/protocols.md from benchmarks/results/evaluating.json."""

from __future__ import annotations

from statistics import median
from typing import Any

WAYS = {
    "errata": "all cases at once",
    "record": "`generate`, a case's prompts as one batch",
    "prompt": "`generate`, prompt by prompt",
}


def table(result: dict[str, Any]) -> str:
    """Median seconds of each way, how much of that time asking all at once takes, and how many answers differ."""
    models = [row["model"] for row in result["rows"]]
    lines = [f"| | {' | '.join(models)} | other answers |", "|---|" + "---:|" * (len(models) + 1)]
    for way, name in WAYS.items():
        cells = [f"{median(row['seconds'][way]):.1f} s{_share(row, way)}" for row in result["rows"]]
        differ = sum(row["other_answers"][way] for row in result["rows"])
        lines.append(f"| {name} | {' | '.join(cells)} | {differ} |")
    first = result["rows"][0]
    asked = f"{first['cases']} cases × {first['prompts'] // first['cases']} prompts, {first['distinct']:,} of them distinct"
    return "\n".join([*lines, "", f"`{result['command']}`: {asked}, {result['threads']} threads, greedy."])


def _share(row: dict[str, Any], way: str) -> str:
    return f" (× {row['ratio'][way]:.2f})" if way in row["ratio"] else ""

"""The table of docs/serve.md from benchmarks/results/serve.json: `python -m benchmarks._serve_table`."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

RESULT = Path(__file__).parent / "results" / "serve.json"


def table(result: dict[str, Any]) -> str:
    """Medians and the longest of each, in milliseconds, a column a model."""
    models = result["models"]
    rows = [
        ("first paint", lambda one: _spread(one["first_paint_ms"])),
        ("first piece of an answer", lambda one: _spread(one["answer_ms"])),
    ]
    for method in next(iter(models.values()))["edits"]:
        rows += [
            (f"`{method}`: a preview takes", lambda one, m=method: f"{one['edits'][m]['seconds']:.1f} s"),
            (
                f"`{method}`: longest gap between frames",
                lambda one, m=method: f"{one['edits'][m]['longest_frame_ms']:.0f} ms",
            ),
            (f"`{method}`: /api/health", lambda one, m=method: _health(one["edits"][m]["health_ms"])),
        ]
    lines = [f"| | {' | '.join(models)} |", "|---|" + "---:|" * len(models)]
    lines += [f"| {name} | {' | '.join(show(one) for one in models.values())} |" for name, show in rows]
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{median(values):.0f} ms (longest {max(values):.0f})"


def _health(found: dict[str, float]) -> str:
    return f"{found['median']:.0f} ms (longest {found['longest']:.0f})"


if __name__ == "__main__":
    print(table(json.loads(RESULT.read_text(encoding="utf-8"))))

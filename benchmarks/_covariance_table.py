"""How much text a covariance needs, as a short Markdown table for the docs."""

from __future__ import annotations

from typing import Any


def table(result: dict[str, Any]) -> str:
    """One line a model, layer and number of tokens: the error the halves show, and the true one."""
    lines = ["| model | layer | tokens | estimated error | true error |", "|---|--:|--:|--:|--:|"]
    for model in _models(result):
        for layer, rows in result[model]["layers"].items():
            for row in rows:
                cells = [model, layer, f"{row['tokens']:,}", _share(row["estimated"]), _share(row["true"])]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def costs(result: dict[str, Any]) -> str:
    """One line a model: what the default settings give for the layer that ROME edits, and what they cost."""
    lines = ["| model | layer | d_ff | keys | error | seconds of one core |", "|---|--:|--:|--:|--:|--:|"]
    for model in _models(result):
        row = result[model]["default"]
        cells = [model, str(row["layer"]), f"{result[model]['d_ff']:,}", f"{row['keys']:,}", _share(row["error"])]
        lines.append(f"| {' | '.join(cells)} | {row['processor_seconds']:.0f} |")
    return "\n".join(lines)


def _models(result: dict[str, Any]) -> list[str]:
    return [name for name in result if name.startswith("pocket-")]


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"

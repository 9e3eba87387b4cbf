"""What a KNE edit holds beside the model, as a short Markdown table for the docs."""

from __future__ import annotations

from typing import Any

MB = 1e6


def table(result: dict[str, Any]) -> str:
    """One line an ensemble, and one for FT-M: its value vectors, what is learnt, the peak, the model, a step's time."""
    lines = ["| edit | value vectors | ΔW, gradient, moments | peak | s a step |", "|---|--:|--:|--:|--:|"]
    for row in result["rows"]:
        name = "FT-M, one layer" if row["share"] is None else f"KNE, {row['share']:.2%} of all neurons"
        learning, peak = (f"{row[key] / MB:.1f} MB" for key in ("learning_bytes", "peak_bytes"))
        lines.append(f"| {name} | {row['columns']:,} | {learning} | {peak} | {row['seconds_per_step']:.2f} |")
    return "\n".join(lines)


def model(result: dict[str, Any]) -> str:
    """The bytes of the model's own weights."""
    return f"{result['rows'][0]['model_bytes'] / MB:.0f} MB"

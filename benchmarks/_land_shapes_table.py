"""What LAND costs on published shapes, as a short Markdown table for the docs."""

from __future__ import annotations

from typing import Any

STAGES = {
    "identify": "identify 277,380 prompts",
    "train_land": "train LAND",
    "train_fact_code": "train the fact code",
    "edit": "table 10, four methods",
}


def table(rows: dict[str, Any]) -> str:
    """One line a shape: seconds a prompt, milliseconds a step, hours of the paper's protocol, memory."""
    heads = ["shape", "prompts tried", "s a prompt", "ms a LAND step", "ms a question"]
    heads += [f"{title}, h" for title in STAGES.values()] + ["peak, GiB"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    for name, row in rows.items():
        each, hours = row["seconds_each"], row["hours_of_the_paper"]
        cells = [name, str(row["prompts"]), f"{each['prompt']:.2f}"]
        cells += [f"{1000 * each['land_step']:.0f}", f"{1000 * each['question']:.0f}"]
        cells += [f"{hours[stage]:.1f}" for stage in STAGES] + [f"{row['peak_gib']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)

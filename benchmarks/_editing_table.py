"""How fast edits are made, as short Markdown tables for the docs."""

from __future__ import annotations

from typing import Any


def values(result: dict[str, Any]) -> str:
    """One line a model, number of contexts and site: edits a second of both ways, and how far their δ are apart."""
    heads = ["model", "contexts", "edited", "facts", "at once, /s", "one by one, /s", "ratio", "median difference"]
    heads += ["above 1e-4", "at once, MiB", "one by one, MiB"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|" + "--:|" * (len(heads) - 3)]
    for row in result["values"]:
        rate, apart = row["edits_per_second"], row["relative_difference"]
        cells = [row["model"], row["contexts"].split()[0], row["site"], str(row["facts"])]
        cells += [f"{rate['batched']:.1f}", f"{rate['loop']:.2f}", f"{row['ratio']:.1f}", f"{apart['median']:.0e}"]
        cells += [f"{apart['above_1e-4']} of {row['facts']}"]
        cells += [f"{row['peak_bytes'][way] / 2**20:.0f}" for way in ("batched", "loop")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def edits(result: dict[str, Any]) -> str:
    """One line a model and editor: whole edits a second, in one step and fact by fact."""
    lines = ["| model | editor | facts | one step, /s | fact by fact, /s |", "|---|---|--:|--:|--:|"]
    for row in result["edits"]:
        rates = [f"{row['edits_per_second'][way]:.1f}" for way in ("one step", "fact by fact")]
        lines.append(f"| {' | '.join([row['model'], row['editor'], str(row['facts']), *rates])} |")
    return "\n".join(lines)


def solve(result: dict[str, Any]) -> str:
    """One line a number of neurons: milliseconds of a step's system, and of what is factorised once."""
    facts = list(result["solve"][0]["facts"])
    heads = ["d_ff", "C's inverse, once", *(f"{count} at once: Woodbury / direct" for count in facts)]
    lines = [f"| {' | '.join(heads)} |", "|" + "--:|" * len(heads)]
    for row in result["solve"]:
        cells = [f"{row['d_ff']:,}", f"{1000 * row['inverse_once']:,.0f}"]
        for count in facts:
            cells.append(" / ".join(f"{1000 * row['facts'][count][way]:,.1f}" for way in ("woodbury", "direct")))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)

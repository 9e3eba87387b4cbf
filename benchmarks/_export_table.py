"""The numbers of benchmarks/results/export.json as Markdown for docs/export.md."""

from __future__ import annotations

from typing import Any

WAYS = {
    "adapter": "adapter, in PEFT",
    "merge_and_unload": "adapter, `merge_and_unload`",
    "merged": "merged weights",
    "unmerged": "unmerged, against the unedited model",
}


def loaded(result: dict[str, Any]) -> str:
    """One line a model, dtype and way of loading."""
    lines = ["| model | dtype | way | furthest logit | same next token | other bits |", "|---|---|---|--:|--:|--:|"]
    for row in result["loaded"]:
        for way, name in WAYS.items():
            found = row["ways"][way]
            bits = f"{100 * found['entries']:.2g} %" if "entries" in found else "–"
            numbers = f"{found['furthest']:.3g} | {found['same_token']:.2%} | {bits}"
            lines.append(f"| {row['model']} | {row['dtype']} | {name} | {numbers} |")
    largest = max(row["largest_logit"] for row in result["loaded"])
    prompts = " and ".join(str(count) for count in sorted({row["prompts"] for row in result["loaded"]}))
    lines += ["", f"{result['facts']} facts, {prompts} prompts a model; the largest logit is {largest:.1f}."]
    return "\n".join(lines)


def command(result: dict[str, Any]) -> str:
    """What made the numbers."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"`{result['command']}`, seed {result['seed']}, with {versions}."


def truncated(result: dict[str, Any]) -> str:
    """One line a model and rank limit: the energy lost in the worst layer, and the scores."""
    lines = [
        "| model | facts | rank | lost energy | efficacy | paraphrase | neighbours |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for model in result["truncated"]:
        for row in model["rows"]:
            rank = f"{row['rank']}, whole" if row["limit"] is None else str(row["rank"])
            scores = " | ".join(_score(row["scores"][name]) for name in ("efficacy", "paraphrase", "neighbours"))
            lines.append(f"| {model['model']} | {model['facts']} | {rank} | {row['lost']:.1%} | {scores} |")
    return "\n".join(lines)


def _score(score: list[float]) -> str:
    mean, low, high, _ = score
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"

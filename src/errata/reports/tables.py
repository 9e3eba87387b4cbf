"""Tables and heat strips for the terminal; they say the same without colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from rich.table import Table
from rich.text import Text
from torch import Tensor

from errata.evaluation.compare import Change, Comparison
from errata.neurons import Attribution, Neuron

CELLS = 64
SHADES = " ░▒▓█"
HEAT = ("#5b6b8c", "#5b6b8c", "#8d6a9f", "#d9722f", "#f5a623")
VERDICTS = {"better": "[green]better[/]", "same": "[dim]same[/]", "worse": "[red]worse[/]"}
TITLES = {"prompt": "the prompt", "paraphrase": "paraphrases", "neighbour": "neighbours"}


def bar(share: float, width: int = 30) -> Text:
    """A horizontal bar of a share between 0 and 1."""
    return Text("█" * round(share * width), style=HEAT[-1])


def binned(scores: Float[Tensor, "layers d_ff"], cells: int) -> Float[Tensor, "layers cells"]:
    """The largest score in each of `cells` runs of neighbouring neurons; negative ones count as 0."""
    return torch.nn.functional.adaptive_max_pool1d(scores.clamp_min(0)[None], min(cells, scores.shape[1]))[0]


def label(neuron: Neuron) -> str:
    """A neuron's name: L3·N512."""
    return f"L{neuron[0]}·N{neuron[1]}"


def strongest(scores: Float[Tensor, "layers d_ff"], count: int) -> list[tuple[Neuron, float]]:
    """The neurons with the highest scores, highest first."""
    best = scores.flatten().topk(min(count, scores.numel()))
    places = (divmod(int(i), scores.shape[1]) for i in best.indices.tolist())
    return list(zip(places, best.values.tolist(), strict=True))


def cells_for(width: int) -> int:
    """The number of cells a strip may have in a terminal of this width, with its numbers beside it."""
    return max(16, min(CELLS, width - 38))


def heat_strip(found: Attribution, cells: int = CELLS) -> Table:
    """One strip a layer: each cell the strongest of a run of neurons, and the layer's numbers behind it."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("layer", justify="right", style="dim", no_wrap=True)
    table.add_column(f"neurons 0 to {found.scores.shape[1] - 1}", no_wrap=True)
    for title in ("sum",) if found.change is None else ("sum", "change", "gap"):
        table.add_column(title, justify="right", no_wrap=True)
    rows = binned(found.scores, cells)
    highest = float(rows.max().clamp_min(1e-30))
    for row, numbers in zip(rows.tolist(), layer_numbers(found), strict=True):
        table.add_row(numbers[0].removeprefix("L"), _strip(row, highest), *numbers[1:])
    return table


def layer_numbers(found: Attribution) -> list[tuple[str, ...]]:
    """Every layer's name and sum; its change and completeness gap too, where the scores are shares of a change."""
    totals = [(f"L{layer}", f"{float(row.double().sum()):+.2g}") for layer, row in enumerate(found.scores)]
    if found.change is None or found.gaps is None:
        return totals
    changes, gaps = found.change.tolist(), found.gaps.tolist()
    return [(*total, f"{change:+.2g}", f"{gap:.0e}") for total, change, gap in zip(totals, changes, gaps, strict=True)]


def neuron_table(found: Attribution, count: int = 8) -> Table:
    """The neurons with the highest scores, and whether they are kept."""
    table = Table(box=None, pad_edge=False)
    table.add_column("neuron", style="bold")
    table.add_column("score", justify="right")
    table.add_column("share of the best", no_wrap=True)
    best = strongest(found.scores, count)
    missed = " not kept" if found.change is None else " below the threshold"
    highest = max(best[0][1], 1e-30)
    for neuron, score in best:
        share = max(0.0, score / highest)
        kept = "" if neuron in found.neurons else missed
        shown = Text.assemble(bar(share, 20), f" {share:.0%}", (kept, "dim"))
        table.add_row(label(neuron), f"{score:+.2g}", shown)
    return table


def before_after(found: Comparison) -> Table:
    """Every prompt of a case with its answer before and after, by kind."""
    table = Table(box=None, pad_edge=False)
    table.add_column("prompt", overflow="fold", ratio=1)
    table.add_column("before")
    table.add_column("after")
    table.add_column("")
    for kind, title in TITLES.items():
        changes = [change for change in found.changes if change.kind == kind]
        if changes:
            table.add_row(f"[bold]{title}[/] [dim]{_summary(kind, changes)}[/]", "", "", "")
        for change in changes:
            prompt = Text(f"  {change.before.prompt}")
            table.add_row(prompt, _answer(change, False), _answer(change, True), _mark(change))
    return table


def _summary(kind: str, changes: Sequence[Change]) -> str:
    if kind == "neighbour":
        return f"{sum(change.unchanged for change in changes)} of {len(changes)} unchanged"
    return f"{sum(change.after.right for change in changes)} of {len(changes)} say {changes[0].after.expected!r}"


def _answer(change: Change, after: bool) -> Text:
    reply = change.after if after else change.before
    text = reply.answer or "(nothing)"
    near, said = "" if change.unchanged else "red", "green" if reply.right else ""
    return Text(text if len(text) <= 24 else text[:23] + "…", near if change.kind == "neighbour" else said)


def _mark(change: Change) -> Text:
    if change.kind == "neighbour" and change.verdict == "same":
        return Text("=", style="dim")
    return {"better": Text("✓", "green"), "same": Text("·", "dim"), "worse": Text("✗", "red")}[change.verdict]


def _strip(values: Sequence[float], highest: float) -> Text:
    strip = Text()
    for value in values:
        level = 0 if value <= 0.02 * highest else 1 + min(3, int(4 * value / highest))
        strip.append(SHADES[level], style=HEAT[level])
    return strip

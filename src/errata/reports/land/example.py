"""The paper's tables 5 and 8 as one picture: where three phrasings of a fact have their neurons, method by method."""

from __future__ import annotations

from itertools import combinations
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from errata.neurons import Neuron
from errata.reports.land.numbers import EXAMPLES, example_sets, in_all, label
from errata.reports.markdown import MISSING
from errata.reports.measured import Result

SHARED, SINGLE, LINE = "#882255", "#9a9a9a", "#e2e2e2"
LETTERS = 31
HEAD, NAMES = 0.42, 0.85


def example(result: Result) -> Figure | None:
    """A row for each phrasing, a column for each method; the neurons that all phrasings have stand out."""
    found = result.get("example") or {}
    methods = [method for method in EXAMPLES if found.get("neurons", {}).get(method)]
    if not methods:
        return None
    sets = {method: example_sets(result, method) for method in methods}
    prompts = [str(prompt) for prompt in found["prompts"]]
    room = max(1.5, 0.15 * found["n_layers"])
    heights = [HEAD, *(room + NAMES for _ in prompts)]
    heights[1] += 0.2
    figure = Figure(figsize=(3.7 * len(methods) + 0.4, sum(heights)), layout="constrained")
    head, *parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    _head(head, result, len(prompts), len(methods))
    for row, (part, prompt) in enumerate(zip(parts, prompts, strict=True)):
        written = f"{row + 1}   “{shorten(prompt, LETTERS * len(methods), placeholder=' …')}”"
        part.suptitle(written, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        panels = part.subplots(1, len(methods), sharey=True, squeeze=False)[0]
        for axes, method in zip(panels, methods, strict=True):
            _panel(axes, sets[method][row], in_all(sets[method]), found["n_layers"], found["d_ff"])
            many = len(sets[method][row])
            counts = f"neurons: {many}, in all {len(prompts)} phrasings: {len(in_all(sets[method]))}"
            head = f"{label(method)}: pairs overlap by {_overlap(sets[method])}\n" if row == 0 else ""
            axes.set_title(head + counts, fontsize=9.5, linespacing=1.4)
            if row == len(prompts) - 1:
                axes.set_xlabel("neuron")
        panels[0].set_ylabel("layer")
    return figure


def _panel(axes: Axes, neurons: set[Neuron], common: set[Neuron], layers: int, d_ff: int) -> None:
    """One phrasing's neurons; those of all phrasings on top."""
    for layer in range(layers):
        axes.axhline(layer, color=LINE, linewidth=0.6, zorder=0)
    for members, color, size in ((neurons - common, SINGLE, 18), (neurons & common, SHARED, 30)):
        places = sorted(members)
        axes.scatter(
            [i for _, i in places], [layer for layer, _ in places], s=size, color=color, linewidths=0, zorder=2
        )
    axes.set(xlim=(-0.02 * d_ff, 1.02 * d_ff), ylim=(-0.7, layers - 0.3))
    axes.set_xticks([0, d_ff // 2, d_ff])
    axes.set_yticks(range(0, layers, 1 if layers <= 8 else 1 + layers // 8))


def _overlap(sets: list[set[Neuron]]) -> str:
    """The mean overlap of the pairs of phrasings."""
    pairs = [(a, b) for a, b in combinations(sets, 2) if a | b]
    return f"{100 * sum(len(a & b) / len(a | b) for a, b in pairs) / len(pairs):.1f} %" if pairs else MISSING


def _head(figure: SubFigure, result: Result, phrasings: int, methods: int) -> None:
    """The fact, and what the colours say."""
    found = result["example"]
    marks = [Line2D([], [], linestyle="", marker="o", color=color, markersize=6) for color in (SHARED, SINGLE)]
    names = [f"in all {phrasings} phrasings", "in some of them only"]
    fact = shorten(
        f"{found['subject']} → {found['object']} ({found['relation']})", LETTERS * methods // 2, placeholder=" …"
    )
    figure.text(0.01, 0.5, fact, va="center", fontsize=11)
    figure.legend(marks, names, loc="center right", ncols=2)

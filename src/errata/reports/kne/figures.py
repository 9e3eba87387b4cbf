"""The figures of a result of `errata reproduce kne` as PNG files, with letters of 9 points or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from errata.reports.kne.words import label
from errata.reports.measured import Result, half_width, mean
from errata.reports.png import LINE, write

PANELS = {
    "efficacy": "efficacy",
    "generalization": "trained paraphrases",
    "heldout": "held-out paraphrases",
    "portability": "portability",
    "locality": "locality",
}
SWEPT = {"efficacy": "efficacy", "generalization": "trained paraphrases", "locality": "locality"}
# Okabe and Ito's palette: KNE, and what it is compared with.
COLORS = {"kne-robust": "#D55E00", "kne-robust-tuned": "#E69F00", "kne-paper": "#CC79A7", "random": "#595959"}
OTHER = "#0072B2"
SIZES = ("o", "s", "^", "D", "v")


def draw(result: Result, folder: Path, stem: str) -> dict[str, str]:
    """Write every figure the result has numbers for into the folder; the files' names by figure."""
    drawings: dict[str, Callable[[Result], Figure | None]] = {
        "arms": _arms,
        "share": lambda found: _sweep(found, "share"),
        "layers": lambda found: _sweep(found, "layers"),
    }
    return write({name: partial(drawing, result) for name, drawing in drawings.items()}, folder, stem)


def _arms(result: Result) -> Figure | None:
    """A row for each arm, a panel for each score, a mark for each group size."""
    sizes = {size: arms for size, arms in result["tables"].items() if arms}
    names = list(dict.fromkeys(arm for arms in sizes.values() for arm in arms))
    if not names:
        return None
    figure = Figure(figsize=(11.2, 1.5 + 0.36 * len(names)), layout="constrained")
    grid = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (score, title) in zip(grid, PANELS.items(), strict=True):
        for place, arms in enumerate(sizes.values()):
            shift = 0.22 * (place - (len(sizes) - 1) / 2)
            for row, name in enumerate(names):
                value = arms[name]["generation"].get(score) if name in arms else None
                _dot(axes, value, row + shift, COLORS.get(name, OTHER), SIZES[place % len(SIZES)])
        _look(axes, title, len(names))
    grid[0].set_yticks(range(len(names)), [label(name) for name in names])
    marks = [Line2D([], [], marker=SIZES[place % len(SIZES)], linestyle="", color=OTHER) for place in range(len(sizes))]
    titles = ["single edits" if size == "1" else f"{size} together" for size in sizes]
    figure.legend(marks, titles, loc="outside upper left", ncols=len(sizes))
    figure.supxlabel("by free generation", fontsize=9.5)
    return figure


def _dot(axes: Axes, value: Mapping[str, Any] | None, height: float, color: str, marker: str) -> None:
    center, half = mean(value), half_width(value)
    if center is None:
        return
    if half:
        axes.plot(
            [max(0.0, center - half), min(1.0, center + half)], [height, height], color=color, linewidth=1.2, alpha=0.6
        )
    axes.plot(center, height, marker, color=color, markersize=4.5)


def _look(axes: Axes, title: str, rows: int) -> None:
    for row in range(rows):
        axes.axhline(row, color=LINE, linewidth=0.4, zorder=0)
    axes.set_title(title)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.tick_params(axis="y", length=0)


def _sweep(result: Result, kind: str) -> Figure | None:
    """A line for KNE and one for its control, a panel for each score."""
    rows = result["sweeps"].get(kind) or ()
    if not rows:
        return None
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    grid = figure.subplots(1, len(SWEPT), sharey=True)
    for axes, (score, title) in zip(grid, SWEPT.items(), strict=True):
        for arm in dict.fromkeys(row["arm"] for row in rows):
            points = sorted(
                (_place(row["change"]), center)
                for row in rows
                if row["arm"] == arm and (center := mean(row["generation"].get(score))) is not None
            )
            if points:
                axes.plot(
                    *zip(*points, strict=True), "o-", color=COLORS.get(arm, OTHER), markersize=4.5, label=label(arm)
                )
        axes.set_title(title)
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.grid(axis="y", color=LINE, linewidth=0.5, alpha=0.6)
        _ticks(axes, sorted({_place(row["change"]) for row in rows}), kind == "share")
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names))
    figure.supxlabel("share p of all neurons" if kind == "share" else "layer of the ensemble", fontsize=9.5)
    return figure


def _place(change: Mapping[str, Any]) -> float:
    return float(change["share"]) if "share" in change else float(change["layers"][0])


def _ticks(axes: Axes, places: Sequence[float], logarithmic: bool) -> None:
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(places)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())

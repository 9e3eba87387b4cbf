"""The figures of a result of `errata reproduce o-edit` as PNG files, with letters of 9 points or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from errata.reports.measured import Result, half_width, mean
from errata.reports.o_edit.curves import TICKS, in_batches, means, panels
from errata.reports.o_edit.style import BLUE, VERMILION, line_of
from errata.reports.o_edit.tables import changed
from errata.reports.o_edit.words import label
from errata.reports.png import INK, LINE, MUTED, write

ABLATED = {
    "efficacy": "efficacy",
    "generalization": "generalization",
    "specificity": "specificity",
    "known": "known facts",
    "space": "space used",
}


def draw(result: Result, folder: Path, stem: str) -> dict[str, str]:
    """Write every figure the result has numbers for into the folder; the files' names by figure."""
    drawings: dict[str, Callable[[Result], Figure | None]] = {
        "mean": means,
        "panels": panels,
        "batches": in_batches,
        "ablation": _ablation,
        "health": _health,
    }
    return write({name: partial(drawing, result) for name, drawing in drawings.items()}, folder, stem)


def _ablation(result: Result) -> Figure | None:
    """A row for each change of the switches, a dot with its interval in each panel."""
    rows = result.get("ablation") or []
    if not rows:
        return None
    figure = Figure(figsize=(11.2, 1.2 + 0.3 * len(rows)), layout="constrained")
    grid = figure.subplots(1, len(ABLATED), sharey=True)
    for axes, (name, title) in zip(grid, ABLATED.items(), strict=True):
        _dots(axes, rows, name)
        axes.set_title(title)
    grid[0].set_yticks(range(len(rows)), [changed(row["change"]) for row in rows])
    grid[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.supxlabel(
        f"after {rows[0]['edits']} edits of the reconstruction of O-Edit on ROME, one by one", fontsize=9.5
    )
    return figure


def _dots(axes: Axes, rows: list[Mapping[str, Any]], name: str) -> None:
    for place, row in enumerate(rows):
        center, half = mean(row[name]), half_width(row[name])
        axes.axhline(place, color=LINE, linewidth=0.4, zorder=0)
        if center is None:
            continue
        if half:
            axes.plot([center - half, center + half], [place, place], color=VERMILION, linewidth=1.3, alpha=0.6)
        axes.plot(center, place, "o", color=VERMILION, markersize=5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.tick_params(axis="y", length=0)


def _health(result: Result) -> Figure | None:
    """A bar for each sequence of single edits; marks where an alarm first fired and where efficacy was below half."""
    rows = [row for row in result.get("alarms") or () if row["batch"] == 1]
    if not any(row["first"] for row in rows):
        return None
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    end = int(result["settings"]["edits"])
    figure = Figure(figsize=(9.2, 1.5 + 0.5 * len(arms)), layout="constrained")
    axes = figure.subplots()
    for place, arm in enumerate(arms):
        own = [row for row in rows if row["arm"] == arm]
        for number, row in enumerate(own):
            y = place + (number - (len(own) - 1) / 2) * 0.8 / max(3, len(own))
            color = line_of(arm, place).color
            axes.plot([1, end], [y, y], color=color, linewidth=3, alpha=0.3, solid_capstyle="butt")
            if row["first"] is not None:
                axes.plot(row["first"]["edits"], y, "D", color=BLUE, markersize=5.5, zorder=3)
            if row["below_half"] is not None:
                axes.plot(row["below_half"], y, "x", color=INK, markersize=6.5, markeredgewidth=1.6, zorder=4)
    axes.set_yticks(range(len(arms)), [label(arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("log")
    axes.set_xticks([tick for tick in TICKS if tick <= end])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.9, end * 1.15)
    axes.set_xlabel("edits, one by one; a bar for each seed")
    marks = [
        Line2D([], [], marker="D", linestyle="", color=BLUE),
        Line2D([], [], marker="x", linestyle="", color=INK, markeredgewidth=1.6),
    ]
    names = ["first alarm", "efficacy below one half"]
    figure.legend(marks, names, loc="outside upper left", ncols=2, labelcolor=MUTED)
    return figure

"""Scores, norms and space used against the number of edits, a line for each editor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from errata.reports.figures import spread
from errata.reports.measured import Result, half_width, mean
from errata.reports.o_edit.style import Line, line_of
from errata.reports.o_edit.tables import batches, sequences
from errata.reports.o_edit.words import label
from errata.reports.png import LINE, MUTED

Rows = Mapping[str, Sequence[Mapping[str, Any]]]

PANELS = {
    "efficacy": "efficacy",
    "generalization": "generalization",
    "specificity": "specificity",
    "known": "known facts still right",
    "relative": "‖ΔW‖ / ‖W₀‖",
    "space": "space used",
}
TICKS = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
SMALL_TICKS = (1, 10, 100, 1000, 10000)
APART = 13.0  # points between two labels


def means(result: Result) -> Figure | None:
    """Single edits: right after each at the left, all edits so far at the right, the lines named at their ends."""
    return _pair(sequences(result, "1"), "edits, one by one")


def in_batches(result: Result) -> Figure | None:
    """The same for the first batch size above one."""
    sizes = batches(result)
    return _pair(sequences(result, sizes[0]), f"edits, in batches of {sizes[0]}") if sizes else None


def panels(result: Result) -> Figure | None:
    """A small panel for every quantity, with one legend."""
    rows = sequences(result, "1")
    if not rows:
        return None
    figure = Figure(figsize=(11.2, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 3, sharex=True)
    for axes, (name, title) in zip(grid.flat, PANELS.items(), strict=True):
        _draw(axes, rows, name)
        edits_axis(axes, rows, SMALL_TICKS)
        share_axis(axes, bounded=name != "relative")
        axes.set_title(title)
    for axes in grid[1]:
        axes.set_xlabel("edits, one by one")
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=5, handlelength=2.8)
    return figure


def _pair(rows: Rows, unit: str) -> Figure | None:
    """The mean of the three scores twice; the labels stand at the right panel's side."""
    if not rows:
        return None
    figure = Figure(figsize=(11.2, 5.4))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.80, top=0.93, bottom=0.1, wspace=0.08)
    for axes, name, title in (
        (left, "after_mean", "right after each edit, mean so far"),
        (right, "mean", "all edits so far, asked again"),
    ):
        _draw(axes, rows, name)
        edits_axis(axes, rows, TICKS)
        share_axis(axes, bounded=True)
        axes.set_title(title)
        axes.set_xlabel(unit)
    left.set_ylabel("mean of efficacy, generalization, specificity")
    _name_ends(right, rows)
    return figure


def _draw(axes: Axes, rows: Rows, name: str) -> None:
    """Every line with its interval; strong ones on top."""
    for place, (arm, own) in enumerate(rows.items()):
        style = line_of(arm, place)
        points = [
            (row["edits"], center, half_width(row[name])) for row in own if (center := mean(row[name])) is not None
        ]
        if not points:
            continue
        edits = [point[0] for point in points]
        axes.plot(edits, [point[1] for point in points], label=label(arm), **_look(style))
        if all(point[2] is not None for point in points):
            low = [center - (half or 0.0) for _, center, half in points]
            high = [center + (half or 0.0) for _, center, half in points]
            axes.fill_between(edits, low, high, color=style.color, alpha=0.12 if style.strong else 0.05, linewidth=0)
    axes.grid(axis="y", color=LINE, linewidth=0.5, alpha=0.6)


def _look(style: Line) -> dict[str, Any]:
    return {
        "color": style.color,
        "linestyle": style.dash,
        "marker": style.marker,
        "markersize": 5.5 if style.strong else 4,
        "linewidth": 2.0 if style.strong else 1.2,
        "zorder": 3 if style.strong else 2,
    }


def edits_axis(axes: Axes, rows: Rows, ticks: Sequence[int]) -> None:
    """Edits on a logarithmic axis, with those ticks that lie in the rows' range, and their last."""
    last = max(row["edits"] for own in rows.values() for row in own)
    first = min(row["edits"] for own in rows.values() for row in own)
    axes.set_xscale("log")
    shown = [tick for tick in ticks if first <= tick <= last / 1.3]
    shown.append(last)
    axes.set_xticks(shown)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(first / 1.15, last * 1.15)


def share_axis(axes: Axes, bounded: bool) -> None:
    """Shares in percent, from 0 to 1 where they are bounded."""
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    if bounded:
        axes.set_ylim(-0.03, 1.03)
    else:
        axes.set_ylim(bottom=0)
    axes.tick_params(axis="y", labelsize=9, labelcolor=MUTED)


def _name_ends(axes: Axes, rows: Rows) -> None:
    """Each line's name at the right of its last point, moved up or down where two would meet."""
    ends = [
        (center, place, arm, own[-1]["edits"])
        for place, (arm, own) in enumerate(rows.items())
        if (center := mean(own[-1]["mean"])) is not None
    ]
    ends.sort()
    height = axes.bbox.height * 72 / axes.figure.dpi
    low, high = axes.get_ylim()
    cells = [(center - low) / (high - low) * height for center, *_ in ends]
    for (center, place, arm, edits), at in zip(ends, spread(cells, APART, height), strict=True):
        style = line_of(arm, place)
        axes.annotate(
            label(arm),
            (edits, center),
            (1.03, at / height),
            textcoords="axes fraction",
            color=style.color if style.color != "#8c8c8c" else MUTED,
            fontsize=9,
            fontweight="bold" if style.strong else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.color,
                "linewidth": 0.6,
                "relpos": (0.0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )

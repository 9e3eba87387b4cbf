"""What an edit achieves against what it spares, over the strength λ: a line for each method."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from errata.reports.land.numbers import RANDOM, label, methods_of
from errata.reports.land.style import MARKERS, color_of
from errata.reports.measured import Result, mean
from errata.reports.png import MUTED

KEPT = 90.0
CLOSE = (87.5, 100.6)
LABELLED = 4
OFFSETS = ((0, 10), (0, -10), (11, 6), (-11, 6), (11, -6), (-11, -6), (14, 0), (-14, 0))


class Point(NamedTuple):
    """Neighbours kept and success under Related, in percent, at one λ."""

    kept: float
    related: float
    at: float


def curve(result: Result) -> Figure | None:
    """Better is up and to the right; λ grows from right to left. A second panel shows the part around 90 % kept."""
    lines = {method: _points(result["curve"][method]) for method in methods_of(result, result.get("curve"))}
    lines = {method: line for method, line in lines.items() if line}
    if not lines:
        return None
    kept = [point.kept for line in lines.values() for point in line]
    two = min(kept) < CLOSE[0] - 5 and max(kept) > CLOSE[0]
    figure = Figure(figsize=(11.2 if two else 8.2, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 1 + two, sharey=True, squeeze=False)[0]
    for axes in panels:
        _lines(axes, lines)
        axes.set_xlabel("neighbours kept, %")
    panels[0].set_ylabel("success under Related, %")
    if two:
        panels[0].set_title("all λ")
        panels[1].set_title(f"at least {CLOSE[0]:g} % kept")
        panels[1].set_xlim(*CLOSE)
    handles, names = panels[0].get_legend_handles_labels()
    title = "Numbers at the points are λ; the dashed line is where 90 % are kept."
    figure.legend(handles[::-1], names[::-1], loc="outside upper left", ncols=4, title=title, alignment="left")
    figure.draw_without_rendering()
    for axes in panels:
        high = CLOSE[0] if two and axes is panels[0] else 100.0
        _write_strengths(axes, lines, axes.get_xlim()[0], high)
    return figure


def _points(line: list[Mapping[str, Any]]) -> list[Point]:
    """The measured points of a line, by λ."""
    found = [(mean(point["kept"]), mean(point["related"]), float(point["lambda"])) for point in line]
    whole = [Point(100 * kept, 100 * done, at) for kept, done, at in found if kept is not None and done is not None]
    return sorted(whole, key=lambda point: point.at)


def _lines(axes: Axes, lines: Mapping[str, list[Point]]) -> None:
    """Every method's line, the first on top, and the place where 90 % are kept."""
    axes.axvline(KEPT, color=MUTED, linestyle="--", linewidth=1.1, zorder=1)
    for method, line in reversed(list(lines.items())):
        control = method.startswith(RANDOM)
        axes.plot(
            [point.kept for point in line],
            [point.related for point in line],
            ":" if control else "-",
            color=color_of(method),
            marker=MARKERS.get(method.removeprefix(RANDOM), "."),
            markersize=4 if control else 5.5,
            linewidth=1.6,
            label=label(method),
        )
    axes.margins(0.08)


def _write_strengths(axes: Axes, lines: Mapping[str, list[Point]], low: float, high: float) -> None:
    """Write λ beside a few points of each line between two shares kept, where nothing else stands."""
    across, _ = axes.transData.transform((KEPT, 0.0))
    taken = [Bbox.from_bounds(across - 2, axes.bbox.y0, 4, axes.bbox.height)]
    for line in lines.values():
        taken += _covered(axes, line)
    for method, line in lines.items():
        if not method.startswith(RANDOM):
            _write(axes, [point for point in line if low <= point.kept <= high], method, taken)


def _covered(axes: Axes, line: list[Point]) -> list[Bbox]:
    """Small boxes along a line, in the figure's pixels."""
    places = axes.transData.transform([(point.kept, point.related) for point in line])
    boxes = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in places]
    for start, end in pairwise(places):
        steps = min(500, 1 + int(np.abs(end - start).max() / 3))
        for x, y in np.linspace(start, end, steps):
            boxes.append(Bbox.from_bounds(x - 2, y - 2, 4, 4))
    return boxes


def _write(axes: Axes, line: list[Point], method: str, taken: list[Bbox]) -> None:
    """Write λ at points spread over a line; a number that finds no free place is left out."""
    many = min(LABELLED, len(line))
    chosen = {round(place * (len(line) - 1) / max(1, many - 1)) for place in range(many)}
    red, green, blue = (0.7 * part for part in to_rgb(color_of(method)))
    for point in (line[place] for place in sorted(chosen, reverse=True)):
        for offset in OFFSETS:
            text = axes.annotate(
                f"{point.at:g}",
                (point.kept, point.related),
                offset,
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=9,
                color=(red, green, blue),
            )
            box = text.get_window_extent()
            inside = axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max)
            if inside and not box.count_overlaps(taken):
                taken.append(box.padded(2))
                break
            text.remove()

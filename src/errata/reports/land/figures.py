"""The figures of a result of `errata reproduce land` as PNG files, with letters of 9 points or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from errata.reports.land.curve import curve
from errata.reports.land.example import example
from errata.reports.land.numbers import EXAMPLES, label, methods_of
from errata.reports.land.style import Color, color_of
from errata.reports.markdown import MISSING
from errata.reports.measured import Measured, Result, half_width, mean, number
from errata.reports.png import INK, LINE, MUTED, write

SETTINGS = {"same": "Same", "related": "Related", "unrelated": "Unrelated"}


def draw(result: Result, folder: Path, stem: str) -> dict[str, str]:
    """Write every figure the result has numbers for into the folder; the files' names by figure."""
    drawings: dict[str, Callable[[Result], Figure | None]] = {
        "figure1": _histograms,
        "identification": _identification,
        "amplification": _amplification,
        "suppression": _suppression,
        "editing": _editing,
        "curve": curve,
        "example": example,
    }
    return write({name: partial(drawing, result) for name, drawing in drawings.items()}, folder, stem)


def _histograms(result: Result) -> Figure | None:
    """The paper's figure 1 in the first row, the detectors below it, each with a scale of its own."""
    found = result.get("figure1") or {}
    methods = [method for method in EXAMPLES if found.get("methods", {}).get(method)]
    if not methods:
        return None
    figure = Figure(figsize=(9.2, 1.1 + 1.75 * len(methods)), layout="constrained")
    rows = figure.subplots(len(methods), 2, sharex=True, squeeze=False)
    titles = {"r_so": "(a) R_so, pairs of phrasings", "r_uo": "(b) R_uo, phrasings"}
    for axes, method in zip(rows, methods, strict=True):
        for place, key in zip(axes, titles, strict=True):
            _histogram(place, [float(edge) for edge in found["edges"]], found["methods"][method], method, key)
    for axes, title in zip(rows[0], titles.values(), strict=True):
        axes.set_title(f"{title}\n{axes.get_title('left')}", linespacing=1.5)
    for axes in rows[-1]:
        axes.set_xlabel("overlap")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    for axes in rows[:, 0]:
        axes.set_ylabel("share")
    return figure


def _histogram(axes: Axes, edges: list[float], found: Mapping[str, Any], method: str, key: str) -> None:
    total = max(sum(found[key]), 1)
    axes.stairs([each / total for each in found[key]], edges, fill=True, color=color_of(method))
    center = found.get(f"mean_{key}")
    if center is not None:
        axes.axvline(center, color=INK, linestyle="--", linewidth=1.2)
    shown = "" if center is None else f", mean {100 * center:.1f} %"
    axes.set_title(f"{label(method)}{shown}", fontsize=9.5)
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.tick_params(axis="y", labelsize=9, labelcolor=MUTED)


def _identification(result: Result) -> Figure | None:
    """R_so and R_cross of every method, one bar above the other."""
    table = result.get("identification") or {}
    methods = methods_of(result, table)
    if not methods:
        return None
    figure = Figure(figsize=(9.2, 1.3 + 0.62 * len(methods)), layout="constrained")
    axes = figure.subplots()
    for row, method in enumerate(methods):
        for key, y, hatch in (("r_so", row - 0.2, ""), ("cross_same_relation", row + 0.2, "////")):
            value = table[method].get(key)
            ends = _bar(axes, y, value, color_of(method), 100.0, 0.37, hatch)
            written = number(value, 1, 100.0) if ends else "not measured"
            place = (max(0.0, *ends) + 0.8, y) if ends else (0.8, y)
            axes.text(*place, written, va="center", fontsize=9, color=INK if ends else MUTED)
    _rows(axes, methods)
    axes.set_xlim(0, 118)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("overlap of the neurons, %")
    full, hatched = Patch(facecolor=MUTED), Patch(facecolor=MUTED, hatch="////", edgecolor="white", linewidth=0)
    names = ["R_so: phrasings of one fact", "R_cross: facts of one relation, other objects"]
    figure.legend([full, hatched], names, loc="outside upper left", ncols=2)
    return figure


def _amplification(result: Result) -> Figure | None:
    return _bars(result, "amplification", "change ratio of the answer, neurons doubled")


def _suppression(result: Result) -> Figure | None:
    return _bars(result, "suppression", "change ratio of the answer, neurons at zero")


def _editing(result: Result) -> Figure | None:
    names = SETTINGS | {"kept": "Neighbours kept"}
    return _bars(result, "editing", "share of prompts, %", names, 100.0, 1)


def _bars(
    result: Result,
    name: str,
    unit: str,
    names: Mapping[str, str] = SETTINGS,
    factor: float = 1.0,
    decimals: int = 2,
) -> Figure | None:
    """A panel for each column of a table, a bar for each method, on one scale."""
    table = result.get(name) or {}
    methods = methods_of(result, table)
    if not methods:
        return None
    before: Mapping[str, Any] = (result.get("before") or {}) if name == "editing" else {}
    figure = Figure(figsize=(11.2, 1.25 + 0.36 * len(methods)), layout="constrained")
    panels = figure.subplots(1, len(names), sharex=True, sharey=True)
    ends = [0.0, 100.0] if factor == 100.0 else [0.0]
    for axes, (key, title) in zip(panels, names.items(), strict=True):
        for row, method in enumerate(methods):
            value = table[method].get(key)
            ends += _bar(axes, float(row), value, color_of(method), factor)
            written = MISSING if mean(value) is None else number(value, decimals, factor)
            axes.text(0.99, row, written, transform=axes.get_yaxis_transform(), va="center", ha="right", fontsize=9)
        unedited = mean(before.get(key))
        if unedited is not None:
            axes.axvline(factor * unedited, color=INK, linestyle=":", linewidth=1.2)
            ends.append(factor * unedited)
        axes.set_title(title)
        axes.axvline(0, color=LINE, linewidth=0.8)
        _rows(axes, methods)
    low, high = min(ends), max(ends)
    reach = (high - low) or 1.0
    panels[0].set_xlim(low - 0.03 * reach if low < 0 else 0, high + (0.45 if len(names) < 4 else 0.7) * reach)
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    panels[0].set_xticks([tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9])
    figure.supxlabel(unit, fontsize=9.5)
    if before:
        line = Line2D([], [], color=INK, linestyle=":", linewidth=1.2)
        figure.legend([line], ["before the edit"], loc="outside upper right")
    return figure


def _bar(
    axes: Axes, y: float, value: Measured, color: Color, factor: float, height: float = 0.7, hatch: str = ""
) -> list[float]:
    """A bar with its interval; where the interval begins and ends, nothing if nothing was measured."""
    center = mean(value)
    if center is None:
        return []
    width, half = factor * center, factor * (half_width(value) or 0.0)
    axes.barh(y, width, height=height, color=color, hatch=hatch, edgecolor="white", linewidth=0)
    if half:
        axes.plot([width - half, width + half], [y, y], color=INK, linewidth=1.3, solid_capstyle="butt")
    return [width - half, width + half]


def _rows(axes: Axes, methods: list[str]) -> None:
    """The methods' names from top to bottom."""
    axes.set_yticks(range(len(methods)), [label(method) for method in methods])
    axes.set_ylim(len(methods) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)

"""The figures of a leaderboard as inline SVG: scores with intervals, one score against another, what is retained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from matplotlib.axes import Axes

from errata.reports.svg import HEAT, INK, KEPT, LINE, MUTED, drawing, inline

Entry = Mapping[str, Any]
EFFICACY, SPECIFICITY = "efficacy", "specificity"
ACROSS = 4


def bars(entries: Sequence[Entry], protocol: str, metrics: Sequence[str], title: str) -> str:
    """A panel a score, a bar a method with its interval; a stroke marks the unedited model."""
    height = 0.27 * len(entries) + 0.75
    with drawing(9.4, height) as figure:
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        figure.subplots_adjust(left=0.16, right=0.98, top=1 - 0.3 / height, bottom=0.32 / height, wspace=0.09)
        for axes, metric in zip(panels, metrics, strict=True):
            for row, entry in enumerate(entries):
                score = entry["scores"][protocol].get(metric)
                if score is not None:
                    _bar(axes, row, score)
            axes.set(xlim=(0, 1.02), ylim=(len(entries) - 0.4, -0.6))
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_title(metric, fontsize=9, loc="left", color=INK)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        panels[0].set_yticks(range(len(entries)), [entry["method"] for entry in entries])
        return inline(figure, f"{', '.join(metrics)} of every method with 95 % intervals: {title}")


def _bar(axes: Axes, row: int, score: Mapping[str, Any]) -> None:
    low, high = score["interval"]
    axes.barh(row, score["mean"], height=0.62, color=KEPT, alpha=0.75)
    axes.plot([low, high], [row, row], color=INK, linewidth=1.1)
    if score["before"] is not None:
        axes.plot([score["before"]] * 2, [row - 0.36, row + 0.36], color=HEAT, linewidth=1.3)


def against(entries: Sequence[Entry], protocol: str, title: str) -> str | None:
    """Efficacy against specificity, a dot a method; None where they were not measured."""
    points = [
        (entry["method"], *(entry["scores"][protocol][name]["mean"] for name in (SPECIFICITY, EFFICACY)))
        for entry in entries
        if {EFFICACY, SPECIFICITY} <= set(entry["scores"][protocol])
    ]
    if not points:
        return None
    with drawing(9.4, 4.4) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.8, top=0.98, bottom=0.12)
        axes.plot([x for _, x, _ in points], [y for *_, y in points], "o", color=KEPT, markersize=6)
        ordered = sorted(points, key=lambda point: -point[2])
        heights = _apart([y for *_, y in ordered], 0.052)
        for (name, x, y), height in zip(ordered, heights, strict=True):
            axes.plot([x, 1.045], [y, height], color=LINE, linewidth=0.6)
            axes.text(1.05, height, name, fontsize=8.5, va="center", color=INK, clip_on=False)
        axes.set(xlim=(-0.02, 1.04), ylim=(-0.04, 1.06), xlabel="specificity", ylabel="efficacy")
        return inline(figure, f"Efficacy against specificity of every method: {title}")


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Falling places, moved down where two would be nearer than `least`, and up again from the ground."""
    found: list[float] = []
    for place in places:
        found.append(min(place, found[-1] - least if found else place))
    shortfall = max(0.0, -0.02 - found[-1]) if found else 0.0
    return [place + shortfall for place in found]


def retention(entries: Sequence[Entry], title: str) -> str | None:
    """On the way of a sequence the share of cases edited so far that says the target: a panel a method, all in each."""
    curves = {entry["method"]: entry["retained"] for entry in entries if entry["retained"]}
    if not curves:
        return None
    rows = ceil(len(curves) / ACROSS)
    with drawing(9.4, 1.45 * rows + 0.45) as figure:
        panels = figure.subplots(rows, ACROSS, sharex=True, sharey=True, squeeze=False).flatten()
        figure.subplots_adjust(left=0.05, right=0.99, top=0.94, bottom=0.3 / rows, hspace=0.35, wspace=0.08)
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        for axes, (name, own) in zip(panels, curves.items(), strict=False):
            for other in curves.values():
                axes.plot(*zip(*other, strict=True), color=LINE, linewidth=0.7)
            axes.plot(*zip(*own, strict=True), color=HEAT, linewidth=1.8)
            axes.set_title(name, fontsize=8.5, loc="left", color=INK, pad=3)
            axes.set(ylim=(-0.03, 1.05), xlim=(0, None), yticks=[0, 0.5, 1])
            axes.tick_params(labelcolor=MUTED)
        figure.supxlabel("cases edited", fontsize=8.5, color=MUTED, y=0.0)
        return inline(figure, f"Share of the cases edited so far that say the target: {title}")

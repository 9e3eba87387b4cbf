"""The figures of a report on corrections; each is None where it would have nothing to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from errata.evaluation.compare import Kind
from errata.reports.correction.account import Account
from errata.reports.correction.course import Course
from errata.reports.figures import neuron_map, spread
from errata.reports.svg import HEAT, INK, KEPT, LANE, LINE, NEW, OLD, drawing, inline

FEW = 2  # points that make a curve
NAMED = 6  # curves that are drawn strong and named
COLORS: Mapping[str, str] = {"efficacy": HEAT, "generalization": NEW, "specificity": KEPT, "known": OLD}
LANES: Mapping[str, Kind] = {"edit prompt": "prompt", "paraphrases": "paraphrase", "neighbours": "neighbour"}


def change_map(account: Account) -> str | None:
    """Where the change of the weights stands: ‖(W − W₀)[:, i]‖ of every neuron, ‖W − W₀‖_F of every layer."""
    norms = {change.layer: change.norm for change in account.layers}
    if not any(norms.values()):
        return None
    layers, d_ff = account.columns.shape
    totals = [norms.get(layer, 0.0) for layer in range(layers)]
    description = f"Norm of the change of every neuron's value vector over {layers} layers of {d_ff} neurons"
    return neuron_map(account.columns, totals, "norm of the layer", description, form=".3g")


def norm_curves(found: Course | None) -> str | None:
    """‖Σ ΔW‖ / ‖W₀‖ of every changed layer after each event of the log; what was taken out is marked below."""
    if found is None or len(found.events) < FEW or not any(map(any, found.relative.values())):
        return None
    ranked = sorted(found.relative, key=lambda layer: -max(found.relative[layer]))
    named = [layer for layer in ranked[:NAMED] if any(found.relative[layer])]
    places = range(1, len(found.events) + 1)
    out = [at for at, event in zip(places, found.events, strict=True) if event.kind in ("undo", "supersede")]
    top = max(max(row) for row in found.relative.values())
    with drawing(9.4, 2.7) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.9, top=0.96, bottom=0.17)
        for layer, row in found.relative.items():
            strong = layer in named
            axes.plot(
                places, row, color=HEAT if strong else LINE, linewidth=1.6 if strong else 0.8, marker=_dot(places)
            )
        axes.plot(out, [-0.05 * top] * len(out), "|", color=OLD, markersize=7)
        _name_ends(axes, [(f"L{layer}", found.relative[layer][-1]) for layer in named], places[-1], top)
        axes.set(xlim=(0.5, places[-1] + 0.5), ylim=(-0.1 * top, 1.08 * top), xlabel="event of the log")
        axes.set_ylabel("‖ΣΔW‖ / ‖W₀‖")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return inline(figure, "Relative size of the change of every layer after each event of the ledger's log")


def edit_lanes(account: Account) -> str | None:
    """A lane each for edit prompts, paraphrases and neighbours: every edit's share of answers that are as they should.

    As they should is the target, and at a neighbour the answer before.
    """
    rows = {name: _shares(account, kind) for name, kind in LANES.items()}
    rows = {name: shares for name, shares in rows.items() if shares}
    if len({one.question.edit for one in account.tested}) < FEW:
        return None
    numbers = [one.question.edit for one in account.tested]
    with drawing(9.4, 0.78 * len(rows) + 0.5) as figure:
        lanes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.11, right=0.985, top=0.97, bottom=0.44 / figure.get_figheight(), hspace=0.25)
        for axes, (name, shares) in zip(lanes, rows.items(), strict=True):
            color = KEPT if name == "neighbours" else NEW
            axes.axhspan(-0.12, 1.12, color=LANE, linewidth=0)
            axes.vlines(*zip(*((at, share) for at, share in shares), strict=True), [1] * len(shares), color=HEAT)
            axes.plot(*zip(*shares, strict=True), "o", color=color, markersize=3.6)
            axes.set(ylim=(-0.12, 1.12), yticks=[0, 1], ylabel=name)
            axes.yaxis.label.set(rotation=0, ha="right", va="center")
            axes.tick_params(axis="both", length=0)
            axes.spines[["left", "bottom"]].set_visible(False)
        lanes[-1].set(xlabel="edit", xlim=(min(numbers) - 1, max(numbers) + 1))
        lanes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        return inline(figure, "Share of answers that are as they should be, by edit")


def checkup_curves(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The scores of all edits so far, and of known facts, at every checkup that the ledger keeps."""
    curves = {name: [(row["edit"], row[name]["mean"]) for row in rows if row[name] is not None] for name in COLORS}
    curves = {name: points for name, points in curves.items() if len(points) >= FEW}
    if not curves:
        return None
    low = min(value for points in curves.values() for _, value in points)
    last = max(points[-1][0] for points in curves.values())
    with drawing(9.4, 2.5) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.87, top=0.96, bottom=0.18)
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), color=COLORS[name], linewidth=1.5, marker="o", markersize=3.2)
        bottom = 0.0 if low < 0.5 else 0.5
        _name_ends(axes, [(name, points[-1][1]) for name, points in curves.items()], last, 1.0 - bottom, COLORS)
        axes.set(ylim=(bottom - 0.02, 1.03), xlabel="last edit before the checkup")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return inline(figure, "Scores of all edits so far at every checkup of the ledger")


def _shares(account: Account, kind: Kind) -> list[tuple[int, float]]:
    """Every edit's share of answers of a kind that are as they should."""
    found: dict[int, list[bool]] = {}
    for one in account.tested:
        for change in one.comparison.of(kind):
            right = change.unchanged if kind == "neighbour" else change.after.right
            found.setdefault(one.question.edit, []).append(right)
    return [(number, sum(row) / len(row)) for number, row in found.items()]


def _dot(places: Sequence[int]) -> str:
    """The mark of single points where there are few."""
    return "." if len(places) <= 40 else ""


def _name_ends(
    axes: Axes, ends: Sequence[tuple[str, float]], last: int, height: float, colors: Mapping[str, str] | None = None
) -> None:
    """Write curves' names behind their ends, moved apart where two would meet."""
    ordered = sorted(ends, key=lambda end: end[1])
    low = ordered[0][1] - 0.2 * height
    places = spread([value - low for _, value in ordered], 0.09 * height, 1.4 * height)
    for (name, value), place in zip(ordered, places, strict=True):
        axes.annotate(
            name,
            (last, value),
            xytext=(1.02, place + low),
            textcoords=axes.get_yaxis_transform(),
            arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
            va="center",
            fontsize=8.5,
            color=INK if colors is None else colors[name],
            annotation_clip=False,
        )

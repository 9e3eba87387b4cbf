"""The figures of a report: where a fact sits, and what a correction did to the answers."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from torch import Tensor

from errata.neurons import Attribution
from errata.reports.record import Shift
from errata.reports.svg import HEAT, INK, KEPT, LANE, LINE, MUTED, NEW, OLD, PAPER, drawing, inline
from errata.reports.tables import binned, label, strongest

BINS = 128
LABELS = 8
FAINT = 0.02
PROMPT_LETTERS = 60
TALL = 0.42


def heat_map(found: Attribution) -> str:
    """Where an attribution's scores sit; at the side the layers' sums, with f(x) − f(0) as a stroke."""
    layers, d_ff = found.scores.shape
    description = f"Attribution of {found.answer!r} over {layers} layers of {d_ff} neurons"
    totals = found.scores.double().sum(-1).tolist()
    strokes = None if found.change is None else found.change.tolist()
    return neuron_map(found.scores, totals, "sum of the layer", description, strokes)


def neuron_map(
    scores: Float[Tensor, "layers d_ff"],
    totals: Sequence[float],
    side: str,
    description: str,
    strokes: Sequence[float] | None = None,
    form: str = "+.2g",
) -> str:
    """Layer × neuron, each cell the strongest of a run of neurons, the top ones named; a number a layer at the side."""
    layers, d_ff = scores.shape
    with drawing(9.4, min(0.44, 9 / layers) * layers + 0.75) as figure:
        strips, sums = figure.subplots(1, 2, sharey=True, width_ratios=(5.2, 1))
        figure.subplots_adjust(left=0.055, right=0.985, top=0.99, bottom=0.5 / figure.get_figheight(), wspace=0.03)
        _strips(strips, scores)
        if layers <= 16:
            _name_strongest(strips, scores)
        strips.set(xlim=(-0.002 * d_ff, 1.002 * d_ff), ylim=(layers - 0.42, -0.6), xlabel="neuron")
        strips.set_yticks([layer + TALL / 2 for layer in range(layers)], [f"L{layer}" for layer in range(layers)])
        strips.spines["left"].set_visible(False)
        strips.tick_params(axis="y", length=0)
        _sums(sums, totals, strokes, form)
        sums.set_xlabel(side)
        return inline(figure, description)


def before_after(shifts: Sequence[Shift]) -> str:
    """Every prompt's probabilities before and after: old and new answer of the fact, own answer of the neighbours."""
    fact = [shift for shift in shifts if shift.kind != "neighbour"]
    near = [shift for shift in shifts if shift.kind == "neighbour"]
    groups = [group for group in (fact, near) if group]
    with drawing(9.4, 0.27 * len(shifts) + 0.45 * len(groups) + 0.5) as figure:
        rows = figure.subplots(
            len(groups), 1, sharex=True, squeeze=False, height_ratios=[len(group) + 0.8 for group in groups]
        )
        figure.subplots_adjust(left=0.41, right=0.985, top=0.995, bottom=0.5 / figure.get_figheight(), hspace=0.08)
        for axes, group in zip(rows[:, 0], groups, strict=True):
            _prompts(axes, group)
        rows[-1, 0].set(xlim=(-0.02, 1.02), xlabel="probability of the whole answer")
        return inline(figure, "Probabilities of the old and the new answer before and after the edit")


def _strips(axes: Axes, scores: Float[Tensor, "layers d_ff"]) -> None:
    layers, d_ff = scores.shape
    cells = binned(scores, BINS)
    width = d_ff / cells.shape[1]
    highest = float(cells.max().clamp_min(1e-30))
    for layer in range(layers):
        axes.fill_between((0, d_ff), layer, layer + TALL, color=LANE, linewidth=0)
    shapes: list[list[tuple[float, float]]] = []
    colors: list[tuple[float, float, float, float]] = []
    for layer, row in enumerate(cells.tolist()):
        for place, value in enumerate(row):
            if value > FAINT * highest:
                left, right = place * width, (place + 1) * width
                shapes.append([(left, layer), (right, layer), (right, layer + TALL), (left, layer + TALL)])
                colors.append(to_rgba(HEAT, round(float(value / highest), 3)))
    axes.add_collection(PolyCollection(shapes, facecolors=colors, linewidths=0))


def _name_strongest(axes: Axes, scores: Float[Tensor, "layers d_ff"]) -> None:
    """Write the strongest neurons' names above their cells, in order and moved aside where two would meet."""
    d_ff = scores.shape[1]
    named: dict[int, list[int]] = {}
    for (layer, index), value in strongest(scores, LABELS):
        if value > 0:
            named.setdefault(layer, []).append(index)
    for layer, indices in named.items():
        indices.sort()
        cells = [index + 0.5 for index in indices]
        for index, cell, place in zip(indices, cells, spread(cells, 0.085 * d_ff, float(d_ff)), strict=True):
            axes.plot([cell, place], [layer, layer - 0.13], color=MUTED, linewidth=0.6)
            axes.text(place, layer - 0.15, label((layer, index)), ha="center", va="bottom", fontsize=8)


def spread(places: Sequence[float], apart: float, width: float) -> list[float]:
    """Places in ascending order, moved aside to stand `apart` from each other and half of that from both sides."""

    def rightwards(row: Sequence[float]) -> list[float]:
        found: list[float] = []
        for place in row:
            found.append(max(place, found[-1] + apart if found else apart / 2))
        return found

    def leftwards(row: Sequence[float]) -> list[float]:
        return [width - place for place in rightwards([width - place for place in reversed(row)])][::-1]

    pairs = zip(leftwards(rightwards(places)), rightwards(leftwards(places)), strict=True)
    return [(a + b) / 2 for a, b in pairs]


def _sums(axes: Axes, totals: Sequence[float], strokes: Sequence[float] | None, form: str) -> None:
    reach = max(*map(abs, totals), 1e-30)
    changes = [None] * len(totals) if strokes is None else strokes
    for layer, (total, change) in enumerate(zip(totals, changes, strict=True)):
        axes.barh(layer + TALL / 2, total, height=TALL, color=HEAT, alpha=0.85)
        if change is not None:
            axes.plot([change, change], [layer - 0.06, layer + TALL + 0.06], color=INK, linewidth=1.2)
        axes.text(
            max(total, 0) + 0.05 * reach, layer + TALL / 2, format(total, form), va="center", fontsize=8, color=MUTED
        )
    axes.axvline(0, color=LINE, linewidth=0.8)
    axes.set(xlim=(min(0, *totals) - 0.05 * reach, 1.5 * reach), xticks=[])
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _prompts(axes: Axes, group: Sequence[Shift]) -> None:
    for row, shift in enumerate(group):
        axes.axhline(row, color=LANE, linewidth=9, zorder=0)
        if shift.kind == "neighbour":
            _move(axes, float(row), shift.before[0], shift.after[0], KEPT)
        else:
            _move(axes, row - 0.14, shift.before[0], shift.after[0], OLD)
            _move(axes, row + 0.14, shift.before[1], shift.after[1], NEW)
    axes.set_yticks(range(len(group)), [_name(shift) for shift in group])
    axes.set_ylim(len(group) - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _move(axes: Axes, y: float, before: float, after: float, color: str) -> None:
    """A hollow dot before, a full one after, and the way between them."""
    axes.plot([before, after], [y, y], color=color, linewidth=1.6, alpha=0.55, solid_capstyle="round")
    axes.plot(before, y, "o", markersize=4.6, markerfacecolor=PAPER, markeredgecolor=color, markeredgewidth=1.2)
    axes.plot(after, y, "o", markersize=4.6, color=color)


def _name(shift: Shift) -> str:
    """The prompt, shortened if need be, and a neighbour's own answer behind it."""
    answer = f" · {shift.old}" if shift.kind == "neighbour" else ""
    prompt, room = " ".join(shift.prompt.split()), PROMPT_LETTERS - len(answer)
    return (prompt if len(prompt) <= room else prompt[: room - 1] + "…") + answer

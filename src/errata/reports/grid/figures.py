"""The heat map of a result of `errata grid` as a PNG file: localizers and their controls over editors."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from errata.reports.grid.numbers import MARKS, MEAN, Result, Verdict, cells, contrasts, mean_of, verdict, views
from errata.reports.grid.words import VIEWS, editor, localizer
from errata.reports.png import INK, MUTED, write

COLORS = "cividis"
# Above this the colours are light, and letters on them dark.
LIGHT = 0.55


def draw(result: Result, folder: Path, stem: str) -> str | None:
    """Write the heat map into the folder; the file's name, or None where nothing was measured."""
    return write({"heat": lambda: heat_map(result) if views(result) else None}, folder, stem).get("heat")


def heat_map(result: Result) -> Figure:
    """A panel for each view on one scale; the controls stand below their localizers."""
    shown = views(result)
    rows = list(dict.fromkeys((row["localizer"], row["random"]) for row in result["cells"]))
    rows.sort(key=lambda row: list(result["localizers"]).index(row[0]))
    editors = [name for name in result["editors"] if any(row["editor"] == name for row in result["cells"])]
    width = 2.6 + 1.15 * len(editors) * len(shown)
    figure = Figure(figsize=(width, 1.9 + 0.3 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, view in zip(panels, shown, strict=True):
        _panel(axes, result, view, rows, editors)
    panels[0].set_yticks(range(len(rows)), [localizer(*row) for row in rows])
    for text, (_, random) in zip(panels[0].get_yticklabels(), rows, strict=True):
        text.set_color(MUTED if random else INK)
    figure.colorbar(panels[0].images[0], ax=list(panels), label=mean_of(result), fraction=0.03, pad=0.02)
    return figure


def _panel(axes: Axes, result: Result, view: str, rows: list[tuple[str, bool]], editors: list[str]) -> None:
    found = {(row["localizer"], row["random"], row["editor"]): row[MEAN] for row in cells(result, view)}
    marks: dict[tuple[str, str], Verdict] = {
        (row["localizer"], row["editor"]): verdict(row[MEAN]) for row in contrasts(result, "control", view)
    }
    means = [[(found.get((*row, name)) or {}).get(MEAN, nan) for name in editors] for row in rows]
    axes.imshow(means, vmin=0, vmax=1, cmap=COLORS, aspect="auto")
    for y, (name, random) in enumerate(rows):
        for x, one in enumerate(editors):
            value = means[y][x]
            if not isnan(value):
                mark = "" if random or (name, one) not in marks else MARKS[marks[name, one]]
                color = INK if value > LIGHT else "white"
                axes.text(x, y, f"{100 * value:.0f} {mark}".strip(), ha="center", va="center", fontsize=9, color=color)
    axes.set_xticks(range(len(editors)), [editor(name).replace(" (", "\n(") for name in editors])
    axes.tick_params(length=0)
    axes.set_title(VIEWS[view])

"""Results of `errata reproduce o-edit` of models of different width, side by side: a table and the same curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from errata.errors import InputError
from errata.reports.markdown import table
from errata.reports.measured import Result, mean
from errata.reports.o_edit.curves import SMALL_TICKS, edits_axis, share_axis
from errata.reports.o_edit.style import AMBER, BLUE, GREEN, PURPLE, SKY, VERMILION
from errata.reports.o_edit.tables import SHORT, sequences
from errata.reports.o_edit.words import label
from errata.reports.png import LINE, write

SHOWN = {"mean": "mean of the three scores", "known": "known facts still right"}
COLORS = (SKY, BLUE, PURPLE, VERMILION, AMBER, GREEN)


def by_width(results: Sequence[Result]) -> list[Result]:
    """The results, narrowest model first; raises InputError where one does not say how wide its model is."""
    unknown = [str(result.get("model")) for result in results if not result.get("width")]
    if unknown or len(results) < 2:
        raise InputError(
            "Expected two results or more of `errata reproduce o-edit`, each with the width of its model, found "
            f"{len(results)}{f', of which {unknown} do not say it' if unknown else ''}: measure them again."
        )
    return sorted(results, key=lambda result: (result["width"]["d_model"], result["width"]["d_ff"]))


def shared(results: Sequence[Result]) -> dict[str, list[str]]:
    """Batch size → the arms that two results or more have in such sequences, in the order of the first."""
    found: dict[str, list[str]] = {}
    for size in sorted({size for result in results for size in result["sequences"]}, key=int):
        held = [list(sequences(result, size)) for result in results]
        arms = [arm for arm in dict.fromkeys(arm for own in held for arm in own) if sum(arm in own for own in held) > 1]
        if arms:
            found[size] = arms
    return found


def page(results: Sequence[Result], figures: Mapping[str, str]) -> str:
    """The page: for each batch size a figure, and a table at each length that can be compared."""
    models = [f"`{result['model']}` ({_width(result)}; {_seeds(result)})" for result in results]
    blocks = [
        "# The same sequences on models of different width",
        f"Reconstruction of O-Edit beside other editors on {', '.join(models)}. Trained with one script on the same "
        "facts, the models differ in width alone; each row is that of the model's own result, and says what "
        "its page says. A number without an interval is that of a single seed.",
    ]
    for size, arms in shared(results).items():
        blocks.append(f"## {'Edits one by one' if size == '1' else f'Batches of {size}'}")
        if size in figures:
            blocks.append(f"![Mean score and known facts over edits, a line for each width]({figures[size]})")
        for edits in _lengths(results, size, arms):
            blocks += [f"After {edits} edits:", _table(results, size, arms, edits)]
    commands = [f"- {_width(result)}: `{result['command']}`" for result in results]
    return "\n\n".join([*blocks, "## Provenance", "\n".join(commands)]) + "\n"


def draw(results: Sequence[Result], folder: Path, stem: str) -> dict[str, str]:
    """Write a figure for each batch size into the folder; the files' names by batch size."""
    drawings = {f"b{size}": partial(_figure, results, size, arms) for size, arms in shared(results).items()}
    return {name.removeprefix("b"): file for name, file in write(drawings, folder, stem).items()}


def _figure(results: Sequence[Result], size: str, arms: Sequence[str]) -> Figure:
    figure = Figure(figsize=(max(4.0, 2.4 * len(arms)), 5.2), layout="constrained")
    grid = figure.subplots(len(SHOWN), len(arms), sharex=True, sharey=True, squeeze=False)
    for column, arm in enumerate(arms):
        for line, (name, title) in enumerate(SHOWN.items()):
            axes = grid[line][column]
            _lines(axes, results, size, arm, name)
            if column == 0:
                axes.set_ylabel(title)
        grid[0][column].set_title(label(arm))
        grid[-1][column].set_xlabel("edits" if size == "1" else f"edits, {size} at once")
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names))
    return figure


def _lines(axes: Axes, results: Sequence[Result], size: str, arm: str, name: str) -> None:
    held = {place: rows for place, result in enumerate(results) if (rows := sequences(result, size).get(arm))}
    for place, rows in held.items():
        points = [(row["edits"], center) for row in rows if (center := mean(row[name])) is not None]
        axes.plot(
            [edits for edits, _ in points],
            [center for _, center in points],
            color=COLORS[place % len(COLORS)],
            marker=".",
            linewidth=1.6,
            label=_width(results[place]),
        )
    axes.grid(axis="y", color=LINE, linewidth=0.5, alpha=0.6)
    edits_axis(axes, {str(place): rows for place, rows in held.items()}, SMALL_TICKS)
    share_axis(axes, bounded=True)


def _lengths(results: Sequence[Result], size: str, arms: Sequence[str]) -> list[int]:
    """Lengths of the plans at which two rows of an arm, or more, can be compared."""
    wanted = {length for result in results for length in result["settings"]["lengths"]}
    held = [{row["edits"] for row in sequences(result, size).get(arm, ())} for arm in arms for result in results]
    return [length for length in sorted(wanted) if sum(length in own for own in held) > 1 and length > 1]


def _table(results: Sequence[Result], size: str, arms: Sequence[str], edits: int) -> str:
    rows: list[list[str]] = []
    for arm in arms:
        for result in results:
            row = next((row for row in sequences(result, size).get(arm, ()) if row["edits"] == edits), None)
            if row is not None:
                rows.append([label(arm), _width(result), *(show(row[name]) for name, (_, show) in SHORT.items())])
    return table(["editor", "width", *(title for title, _ in SHORT.values())], rows, text=2)


def _width(result: Result) -> str:
    return f"d_model {result['width']['d_model']}, d_ff {result['width']['d_ff']}"


def _seeds(result: Result) -> str:
    count = len(result["seeds"])
    return "one seed" if count == 1 else f"{count} seeds"

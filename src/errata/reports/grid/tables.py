"""The tables of results of `errata grid` as Markdown."""

from __future__ import annotations

from errata.reports.grid.numbers import MEAN, SCORES, Measured, Result, cells, contrasts, points, share, verdict
from errata.reports.grid.words import editor, localizer
from errata.reports.markdown import MISSING, plain, table

DIFFERENCES = {
    "control": "localizer − random",
    "completion": "LAND − knowledge neurons",
    "whole": "localizer − whole layers",
}


def differences(result: Result, kind: str, view: str) -> str:
    """A row for each localizer, a column for each editor; for one localizer a row an editor, a column a score."""
    rows = contrasts(result, kind, view)
    if kind == "completion":
        body = [[editor(row["editor"]), *(_marked(row[name]) for name in (*SCORES, MEAN))] for row in rows]
        return table([DIFFERENCES[kind], *SCORES, MEAN], body)
    editors = list(dict.fromkeys(row["editor"] for row in rows))
    found = {(row["localizer"], row["editor"]): row[MEAN] for row in rows}
    names = dict.fromkeys(row["localizer"] for row in rows)
    body = [[localizer(name), *(_marked(found.get((name, one))) for one in editors)] for name in names]
    return table([DIFFERENCES[kind], *map(editor, editors)], body)


def every_cell(result: Result, view: str) -> str:
    """A row for each localizer and each random control with each editor."""
    head = ["editor", "neurons of", *SCORES, "neurons", "‖ΔW‖", "find", "edit"]
    body = [
        [
            editor(row["editor"]),
            localizer(row["localizer"], row["random"]),
            *(share(row[name]) for name in SCORES),
            plain(row["neurons"], 1),
            plain(row["norm"], 2),
            MISSING if row["random"] else plain(row["attribution_seconds"], 2),
            plain(row["seconds"], 2),
        ]
        for row in cells(result, view)
    ]
    return table(head, body, text=2)


def _marked(found: Measured) -> str:
    """In bold where the interval holds no 0."""
    text = points(found)
    return text if verdict(found) == "open" else f"**{text}**"

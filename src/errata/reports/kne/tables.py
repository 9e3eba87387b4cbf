"""The tables of a result of `errata reproduce kne` as Markdown; no table holds two protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errata.reports.kne.words import FOLLOWING, FORCED, GENERATION, STAYING, label
from errata.reports.markdown import MISSING, NOTHING, plain, setting, table
from errata.reports.measured import Result, number, ratio, share

Row = Mapping[str, Any]
SWEPT = ("efficacy", "generalization", "heldout", "portability", "locality")


def tables(result: Result) -> dict[str, str]:
    """Every table by name; those of several group sizes stand one below the other."""
    return {
        "targets": _targets(result),
        "generation": _by_batch(result, "generation", {**GENERATION, **FOLLOWING}, fluency=True),
        "locality": _by_batch(result, "generation", STAYING),
        "forced": _by_batch(result, "teacher-forced", FORCED),
        "costs": _costs(result),
        "differences": _differences(result),
        **{kind: _sweep(result["sweeps"].get(kind) or ()) for kind in ("share", "layers", "rate")},
        "timing": _timing(result),
    }


def _targets(result: Result) -> str:
    """The targets with a mark: ✓ reached, ✗ not, a dash for those that were not measured."""
    marks = {True: "✓", False: "✗", None: MISSING}
    rows = [
        [marks[one["reached"]], one["name"], one.get("note", ""), plain(one["value"]), one["wanted"]]
        for one in result["targets"]
    ]
    return table(["", "target", "remark", "measured", "wanted"], rows, text=3)


def _by_batch(result: Result, protocol: str, columns: Mapping[str, str], fluency: bool = False) -> str:
    blocks: list[str] = []
    for size, arms in result["tables"].items():
        if arms:
            blocks += [_together(size, result), _scores(arms, protocol, columns, fluency)]
    return "\n\n".join(blocks) or NOTHING


def _scores(arms: Mapping[str, Row], protocol: str, columns: Mapping[str, str], fluency: bool) -> str:
    """A row an arm; columns that no arm has are left out, and n stands in each column's head."""
    held = {name: title for name, title in columns.items() if any(name in row[protocol] for row in arms.values())}
    shown = (
        ["fluency_before", "fluency"] if fluency and any("fluency" in row[protocol] for row in arms.values()) else []
    )
    head = [f"{title} (n = {_n(arms, protocol, name)})" for name, title in held.items()]
    rows = [
        [
            _named(arm, row),
            *(share(row[protocol].get(name)) for name in held),
            *(ratio(row[protocol].get(name)) for name in shown),
        ]
        for arm, row in arms.items()
    ]
    return table(["arm", *head, *(["fluency before", "fluency"] if shown else [])], rows)


def _n(arms: Mapping[str, Row], protocol: str, name: str) -> str:
    found = sorted({row[protocol][name]["n"] for row in arms.values() if name in row[protocol]})
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _costs(result: Result) -> str:
    blocks: list[str] = []
    for size, arms in result["tables"].items():
        rows = [
            [
                label(arm),
                ratio(row["seconds_per_edit"]),
                number(row["peak_bytes"], 1, 1e-6, " MB"),
                number(row["neurons"], 0),
                number(row["steps"], 1),
                str(row["failed"]),
            ]
            for arm, row in arms.items()
        ]
        if rows:
            head = ["arm", "seconds", "peak memory", "neurons", "steps", "facts not edited"]
            blocks += [_together(size, result), table(head, rows)]
    return "\n\n".join(blocks) or NOTHING


def _differences(result: Result) -> str:
    rows = [
        [label(arm), *(_difference(found.get(name)) for name in SWEPT)] for arm, found in result["differences"].items()
    ]
    return table(["less", *(GENERATION[name] for name in SWEPT)], rows)


def _difference(found: Mapping[str, Any] | None) -> str:
    """`+2.1 [+0.4, +3.9], n = 600` in points."""
    if found is None:
        return MISSING
    mean, low, high = (f"{100 * found[name]:+.1f}".replace("-", "−") for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}], n = {found['n']}"


def _sweep(rows: Sequence[Row]) -> str:
    written = [
        [
            _named(row["arm"], row),
            changed(row["change"]),
            *(share(row["generation"].get(name)) for name in SWEPT),
            number(row["neurons"], 0),
            ratio(row["seconds_per_edit"]),
        ]
        for row in rows
    ]
    return table(["arm", "setting", *(GENERATION[name] for name in SWEPT), "neurons", "seconds"], written, text=2)


def changed(change: Mapping[str, Any]) -> str:
    """The changed settings: `lr 0.002, bound 0.01`."""
    return ", ".join(f"{name} {setting(value)}" for name, value in change.items())


def _timing(result: Result) -> str:
    rows = [
        [
            label(row["arm"]),
            ratio(row["seconds_per_edit"]),
            number(row["steps"], 1),
            number(row["peak_bytes"], 1, 1e-6, " MB"),
            row["device"],
            str(row["threads"]),
        ]
        for row in result["timing"]
    ]
    return table(["arm", "seconds", "steps", "peak memory", "device", "threads"], rows)


def _named(arm: str, row: Row) -> str:
    """The arm, and beside it how many facts it could not edit."""
    return f"{label(arm)} ({row['failed']} facts not edited)" if row["failed"] else label(arm)


def _together(size: str, result: Result) -> str:
    rest = result["settings"]["facts"] % int(size)
    last = f", {rest} in the last group" if rest else ""
    return "Single edits:" if size == "1" else f"{size} facts edited together{last}:"

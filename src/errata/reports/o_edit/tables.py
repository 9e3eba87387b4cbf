"""The tables of a result of `errata reproduce o-edit` as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from errata.reports.markdown import MISSING, plain, setting, table
from errata.reports.measured import Measured, Result, ratio, share
from errata.reports.o_edit.words import COLUMNS, label

Show = Callable[[Measured], str]
Row = Mapping[str, Any]

END: dict[str, tuple[str, Show]] = {
    **{name: (title, share) for name, title in COLUMNS.items()},
    "known": ("known", share),
    "perplexity": ("perplexity", ratio),
    "relative": ("‖ΔW‖", share),
    "space": ("space", share),
}
AFTER: dict[str, tuple[str, Show]] = {f"after_{name}": (title, share) for name, title in COLUMNS.items()}
SHORT: dict[str, tuple[str, Show]] = {
    **{name: (title, share) for name, title in COLUMNS.items()},
    "known": ("known", share),
    "space": ("space", share),
}
BY_LENGTH = {"lengths": "mean", "efficacy": "efficacy", "known": "known"}


def tables(result: Result) -> dict[str, str]:
    """Every table by name; several of one name stand one below the other."""
    one_by_one = sequences(result, "1")
    return {
        "targets": targets(result),
        "single": _single(result),
        "end": _at_the_end(one_by_one, END),
        "after": _at_the_end(one_by_one, AFTER),
        **{name: _lengths(result, one_by_one, metric) for name, metric in BY_LENGTH.items()},
        "batches": _batches(result),
        "ablation": _ablation(result),
        "covariance": _covariance(result),
        "health": _health(result),
    }


def sequences(result: Result, batch: str) -> dict[str, list[Row]]:
    """The rows of every arm that was measured in steps of `batch`, by number of edits, without the unedited model."""
    found = (result.get("sequences") or {}).get(batch) or {}
    rows = {arm: [row for row in own if row["edits"] > 0] for arm, own in found.items()}
    return {arm: own for arm, own in rows.items() if own}


def batches(result: Result) -> list[str]:
    """The batch sizes other than single edits, smallest first."""
    return sorted((size for size in result.get("sequences") or {} if size != "1"), key=int)


def targets(result: Result) -> str:
    """The targets with a mark: ✓ reached, ✗ not, a dash for those that were not measured."""
    marks = {True: "✓", False: "✗", None: MISSING}
    found = [*((result.get("single") or {}).get("targets") or ()), *(result.get("targets") or ())]
    rows = [
        [marks[one["reached"]], one["name"], one.get("note", ""), plain(one["value"]), one["wanted"]] for one in found
    ]
    return table(["", "target", "remark", "measured", "wanted"], rows, text=3)


def _at_the_end(found: Mapping[str, Sequence[Row]], columns: Mapping[str, tuple[str, Show]]) -> str:
    """The last row of each arm; its number of edits is said where arms ended at different ones."""
    last = {arm: rows[-1] for arm, rows in found.items()}
    several = len({row["edits"] for row in last.values()}) > 1
    rows = [[label(arm), *([str(row["edits"])] if several else []), *_cells(row, columns)] for arm, row in last.items()]
    return table(["editor", *(["edits"] if several else []), *_titles(columns)], rows)


def _lengths(result: Result, found: Mapping[str, Sequence[Row]], metric: str) -> str:
    """An arm's row holds one number for each of the plan's lengths, and for the last number of edits."""
    wanted = {*result["settings"]["lengths"], *(rows[-1]["edits"] for rows in found.values())}
    lengths = sorted(wanted & {row["edits"] for rows in found.values() for row in rows})
    by_length = {arm: {row["edits"]: row for row in rows} for arm, rows in found.items()}
    rows = [
        [label(arm), *(share(own[edits][metric]) if edits in own else MISSING for edits in lengths)]
        for arm, own in by_length.items()
    ]
    return table(["editor", *map(str, lengths)], rows)


def _batches(result: Result) -> str:
    blocks: list[str] = []
    for size in batches(result):
        found = sequences(result, size)
        blocks += [f"Batches of {size}, after the whole sequence:", _at_the_end(found, END)]
        blocks += [f"Batches of {size}, right after each batch:", _at_the_end(found, AFTER)]
        blocks += [f"Batches of {size}, mean of the three scores at every length:", _lengths(result, found, "mean")]
    return "\n\n".join(blocks) or table([], [])


def _single(result: Result) -> str:
    arms = (result.get("single") or {}).get("arms") or {}
    rows = [
        [label(arm), *(_scored(found["scores"].get(name)) for name in list(COLUMNS)[:3]), _seconds(found)]
        for arm, found in arms.items()
    ]
    return table(["editor", *list(COLUMNS.values())[:3], "seconds an edit"], rows)


def _scored(score: Mapping[str, Any] | None) -> str:
    """A score over facts: `97.3 % [95.1, 98.9]`."""
    if score is None:
        return MISSING
    low, high = score["interval"]
    return f"{100 * score['mean']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _seconds(found: Mapping[str, Any]) -> str:
    return plain(found.get("seconds_per_edit"), 2)


def _ablation(result: Result) -> str:
    rows = [
        [changed(row["change"]), *_cells(row, SHORT), *_cells(row, {"relative": ("", share)})]
        for row in result.get("ablation") or ()
    ]
    return table(["switches", *_titles(SHORT), "‖ΔW‖"], rows)


def changed(change: Mapping[str, Any]) -> str:
    """The changed switches: `enforce post, protect history`."""
    return ", ".join(f"{name} {setting(value)}" for name, value in change.items()) or "as o_edit_plus"


def _covariance(result: Result) -> str:
    rows: list[list[str]] = []
    for arm, found in (result.get("covariance") or {}).items():
        for name in ("with", "without"):
            if found.get(name):
                rows.append([label(arm), name, *_cells(found[name], SHORT)])
    return table(["editor", "covariance", *_titles(SHORT)], rows, text=2)


def _health(result: Result) -> str:
    rows: list[list[str]] = []
    for row in result.get("alarms") or ():
        first = row["first"]
        rows.append(
            [
                label(row["arm"]),
                str(row["batch"]),
                str(row["seed"]),
                str(row["stable"]),
                "none" if first is None else f"{first['edits']}: {first['reason']}",
                MISSING if row["below_half"] is None else str(row["below_half"]),
            ]
        )
    head = ["editor", "batch", "seed", "above 90 % up to", "first alarm, at edits", "efficacy below one half, at edits"]
    return table(head, rows)


def _cells(row: Row, columns: Mapping[str, tuple[str, Show]]) -> list[str]:
    return [show(row.get(name)) for name, (_, show) in columns.items()]


def _titles(columns: Mapping[str, tuple[str, Show]]) -> Iterable[str]:
    return (title for title, _ in columns.values())

"""What a result of `errata grid` shows, worked out from its numbers by rules; what speaks against a method first.

A difference counts as shown where its 95 % interval over facts holds no 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from errata.reports.grid.numbers import (
    MEAN,
    Result,
    Row,
    Verdict,
    cells,
    contrasts,
    listed,
    mean_of,
    points,
    share,
    verdict,
    views,
)
from errata.reports.grid.words import ADVANTAGED, VIEWS, advantage, editor, localizer

# An editor that changes fewer answers than this share does not do what it is for.
LEAST_EFFICACY = 0.5


@dataclass(frozen=True)
class Finding:
    """One sentence or two; `negative` where something did not help, or cannot be shown to."""

    negative: bool
    text: str


def findings(result: Result) -> list[Finding]:
    """The findings of a model's result, the negative ones first."""
    rules = (_which, _trade, _worse, _completion, _whole, _failing, _size, _best)
    found = [
        finding for rule in rules for view in views(result) for finding in rule(VIEWS[view].capitalize(), result, view)
    ]
    return sorted(found, key=lambda finding: not finding.negative)


def _which(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Does it matter which neurons? Negative where it is mostly not shown to, and where it is mostly for the worse."""
    rows = contrasts(result, "control", view)
    if rows:
        better, worse = _count(rows, MEAN, "above"), _count(rows, MEAN, "below")
        shown = 2 * (better + worse) > len(rows)
        opening = "it matters" if shown else "it is mostly not shown to matter"
        turn = ", but mostly for the worse," if shown and worse >= better else ""
        yield Finding(
            not shown or worse >= better,
            f"{where}: {opening}{turn} which neurons are edited. By {mean_of(result)}, of {len(rows)} choices {better} "
            f"are shown to do better than random neurons and {worse} to do worse: {_each(rows)}.",
        )


def _trade(where: str, result: Result, view: str) -> Iterator[Finding]:
    """What the choice costs: negative where chosen neurons are shown to keep fewer neighbours than random ones."""
    rows = contrasts(result, "control", view)
    if rows:
        lost = _count(rows, "specificity", "below")
        yield Finding(
            lost > 0,
            f"{where}: of {len(rows)} choices {lost} keep fewer neighbours than random neurons do "
            f"({_count(rows, 'specificity', 'above')} keep more), {_count(rows, 'generalization', 'above')} reach more "
            f"paraphrases ({_count(rows, 'generalization', 'below')} fewer), and {_count(rows, 'efficacy', 'above')} "
            f"change more answers ({_count(rows, 'efficacy', 'below')} fewer).",
        )


def _worse(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Choices that are shown to be worse than chance."""
    rows = [row for row in contrasts(result, "control", view) if verdict(row[MEAN]) == "below"]
    if rows:
        each = [f"{localizer(row['localizer'])} with {editor(row['editor'])} ({points(row[MEAN])})" for row in rows]
        yield Finding(True, f"{where}: worse than random neurons, in points of the mean, are {listed(each)}.")


def _completion(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Does LAND's completion help, and a learned editor too?"""
    rows = contrasts(result, "completion", view)
    for learned, title in ((True, "editors that learn"), (False, "editors that do not learn")):
        own = [row for row in rows if _learns(result, row) == learned]
        if own:
            better, worse = _count(own, MEAN, "above"), _count(own, MEAN, "below")
            each = [
                f"{editor(row['editor'])} {points(row[MEAN])}, paraphrases {points(row['generalization'])}, "
                f"neighbours {points(row['specificity'])}"
                for row in own
            ]
            yield Finding(
                not better or worse > 0,
                f"{where}: LAND's completion helps {better} and harms {worse} of {len(own)} {title}, against knowledge "
                f"neurons in points of the mean: {'; '.join(each)}.",
            )


def _whole(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Does choosing help at all, against all neurons of the layers that hold knowledge neurons?"""
    rows = contrasts(result, "whole", view)
    if rows:
        better, worse = _count(rows, MEAN, "above"), _count(rows, MEAN, "below")
        yield Finding(
            2 * better <= len(rows),
            f"{where}: against all neurons of the layers that knowledge neurons lie in, choosing is shown to do better "
            f"in {better} of {len(rows)} and worse in {worse}: {_each(rows)}.",
        )


def _failing(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Cells whose edits mostly fail."""
    low = [row for row in _chosen(result, view) if row["efficacy"] and row["efficacy"][MEAN] < LEAST_EFFICACY]
    each = [
        f"{editor(name)} ({', '.join(localizer(row['localizer']) for row in own)})"
        for name, own in _by_editor(low).items()
    ]
    if each:
        yield Finding(True, f"{where}: fewer than half of the answers become the target with {listed(each)}.")


def _best(where: str, result: Result, view: str) -> Iterator[Finding]:
    """The cell with the highest mean, random neurons among them, of those with the same seeds; negative if they win."""
    seeds, rows = _alike([row for row in cells(result, view) if row[MEAN]])
    if rows:
        best = max(rows, key=lambda row: row[MEAN][MEAN])
        names = f"{localizer(best['localizer'], best['random'])} with {editor(best['editor'])}"
        among = "" if seeds == result["seeds"] else f" among cells with seeds {', '.join(map(str, seeds))}"
        caveat = "" if best["random"] or best["localizer"] != ADVANTAGED else f"; {advantage(result)}"
        yield Finding(
            best["random"],
            f"{where}: {mean_of(result)} is highest{among} for {names}, {share(best[MEAN])}{caveat}.",
        )


def _size(where: str, result: Result, view: str) -> Iterator[Finding]:
    """Is the change smaller through chosen neurons? Of editors that learn: the others' follows from the neurons."""
    rows = [row for row in contrasts(result, "control", view) if _learns(result, row)]
    if rows:
        smaller = _count(rows, "norm", "below")
        yield Finding(
            2 * smaller <= len(rows),
            f"{where}: editors that learn change the weights less through chosen neurons than through random ones in "
            f"{smaller} of {len(rows)} pairs (by ‖ΔW‖).",
        )


def _learns(result: Result, row: Row) -> bool:
    """Whether the row's editor follows a gradient: it takes steps."""
    return "steps" in result["editors"][row["editor"]]


def _count(rows: Sequence[Row], name: str, wanted: Verdict) -> int:
    return sum(verdict(row[name]) == wanted for row in rows)


def _each(rows: Sequence[Row]) -> str:
    """`3 better and 1 worse of 9 with FiNE, …`, editor by editor."""
    each: list[str] = []
    for name, own in _by_editor(rows).items():
        better, worse = _count(own, MEAN, "above"), _count(own, MEAN, "below")
        each.append(f"{better} better and {worse} worse of {len(own)} with {editor(name)}")
    return listed(each)


def _alike(rows: Sequence[Row]) -> tuple[list[int], list[Row]]:
    """The most seeds that some rows were measured with, and the rows that were measured with just those."""
    seeds = max((row["seeds"] for row in rows), key=len, default=[])
    return seeds, [row for row in rows if row["seeds"] == seeds]


def _chosen(result: Result, view: str) -> list[Row]:
    return [row for row in cells(result, view) if not row["random"]]


def _by_editor(rows: Sequence[Row]) -> dict[str, list[Row]]:
    names = dict.fromkeys(row["editor"] for row in rows)
    return {name: [row for row in rows if row["editor"] == name] for name in names}

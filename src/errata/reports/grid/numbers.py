"""How results of `errata grid` are read: their cells and differences, and numbers as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from errata.reports.markdown import MISSING

Result: TypeAlias = Mapping[str, Any]
# A cell or a difference of the result.
Row: TypeAlias = Mapping[str, Any]
# {"mean": …, "interval": [low, high], "n": …}, or nothing where it was not measured
Measured: TypeAlias = Mapping[str, Any] | None
Verdict = Literal["above", "below", "open"]

SCORES = ("efficacy", "generalization", "specificity")
MEAN = "mean"
MARKS: Mapping[Verdict, str] = {"above": "▲", "below": "▼", "open": ""}


def cells(result: Result, view: str) -> list[Row]:
    """The cells of a view, in the result's order."""
    return [row for row in result["cells"] if row["view"] == view]


def contrasts(result: Result, kind: str, view: str) -> list[Row]:
    """The differences of a kind in a view, in the result's order, with those of nothing left out."""
    return [row for row in result["contrasts"] if (row["kind"], row["view"]) == (kind, view) and row[MEAN]]


def views(result: Result) -> list[str]:
    """The views that have a cell, in the plan's order."""
    return [view for view in result["settings"]["views"] if cells(result, view)]


def mean_of(result: Result) -> str:
    """What the mean is taken of: a data set may have no cases for a score."""
    found = [name for name in SCORES if any(row[name] for row in result["cells"])]
    return "the mean of the three scores" if len(found) == len(SCORES) else f"the mean of {listed(found)}"


def verdict(found: Measured) -> Verdict:
    """Whether a difference lies above or below 0 with its whole interval; open where not, and on a single fact."""
    if not found or found["n"] < 2:
        return "open"
    low, high = found["interval"]
    return "above" if low > 0 else "below" if high < 0 else "open"


def share(found: Measured) -> str:
    """A share with its interval: `95.0 % [93.0, 96.0]`."""
    if not found:
        return MISSING
    low, high = found["interval"]
    return f"{100 * found['mean']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def points(found: Measured) -> str:
    """A difference of shares with its interval, in points: `+9.9 [8.0, 11.5]`."""
    if not found:
        return MISSING
    low, high = (_signless(100 * end) for end in found["interval"])
    return f"{_signless(100 * found['mean']):+.1f} [{low:.1f}, {high:.1f}]".replace("-", "−")


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _signless(value: float) -> float:
    """Rounded to one decimal, without a negative zero."""
    return round(value, 1) + 0.0

"""Numbers of a result as text: a mean over seeds with half the width of its interval."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeAlias

from errata.reports.markdown import MISSING

Result: TypeAlias = Mapping[str, Any]
# {"mean": …, "interval": …, "seeds": […]}, or nothing where it was not measured
Measured: TypeAlias = Mapping[str, Any] | None


def mean(value: Measured) -> float | None:
    """The mean, or nothing where it was not measured."""
    found = value["mean"] if value else None
    return float(found) if found is not None and isfinite(found) else None


def half_width(value: Measured) -> float | None:
    """Half the width of the interval, or nothing for a single seed."""
    found = value["interval"] if value else None
    return float(found) if found is not None and isfinite(found) else None


def number(value: Measured, decimals: int, factor: float = 1.0, unit: str = "", sign: str = "") -> str:
    """`97.3 ± 0.4 %`: the mean, half the interval's width where there is one, and the unit."""
    center, half = mean(value), half_width(value)
    if center is None:
        return MISSING
    width = "" if half is None else f" ± {factor * half:.{decimals}f}"
    return f"{round(factor * center, decimals) + 0.0:{sign}.{decimals}f}{width}{unit}".replace("-", "−")


def count(value: Measured) -> str:
    """A number of neurons: `23.8 ± 0.6`."""
    return number(value, 1)


def share(value: Measured) -> str:
    """A share between 0 and 1 in percent: `97.3 ± 0.4 %`."""
    return number(value, 1, 100.0, " %")


def ratio(value: Measured) -> str:
    """A change ratio or a factor: `2.48 ± 0.10`."""
    return number(value, 2)


def points(value: Measured) -> str:
    """A difference of two shares: `+9.9 ± 1.2 points`."""
    return number(value, 1, 100.0, " points", "+")

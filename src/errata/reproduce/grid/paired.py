"""Means and paired differences over facts as a grid's result file holds them (errata.evaluation.statistics).

The same fact, the same target, the same seed on both sides; a fact that several seeds drew counts once, with its mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from errata.evaluation.statistics import Values, differences, estimate


def summary(values: Values) -> dict[str, Any] | None:
    """Mean over facts with its interval and the number of facts; `values` are by fact and seed. None of nothing."""
    found = estimate(values, "means")
    if found is None:
        return None
    return {"mean": _short(found.mean), "interval": [_short(found.low), _short(found.high)], "n": found.n}


def difference(one: Values, other: Values) -> dict[str, Any] | None:
    """The summary of one − other, over the facts and seeds that both have."""
    return summary(differences(one, other))


def together(values: Iterable[Values]) -> Values:
    """The mean of several quantities, where all of them were measured."""
    found = list(values)
    keys = [key for key in found[0] if all(key in one for one in found)] if found else []
    return {key: sum(one[key] for one in found) / len(found) for key in keys}


def _short(value: float) -> float:
    return float(f"{value:.6g}")

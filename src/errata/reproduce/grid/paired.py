"""Means and paired differences over facts, with bootstrap intervals.

    d_f = mean over the seeds that drew fact f of (a − b)      the same fact, the same target, the same seed
    mean over f of d_f, with the percentile bootstrap over facts (errata.scores)

Facts are the unit that was drawn: one that several seeds drew counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from errata.scores import bootstrap

# By fact and seed.
Values = Mapping[tuple[Any, int], float]


def summary(values: Values) -> dict[str, Any] | None:
    """Mean over facts with its interval and the number of facts; `values` are by fact and seed. None of nothing."""
    by_fact: dict[Any, list[float]] = defaultdict(list)
    for (fact, _), value in values.items():
        by_fact[fact].append(value)
    if not by_fact:
        return None
    means = [sum(own) / len(own) for own in by_fact.values()]
    low, high = bootstrap(means)
    return {"mean": _short(sum(means) / len(means)), "interval": [_short(low), _short(high)], "n": len(means)}


def difference(one: Values, other: Values) -> dict[str, Any] | None:
    """The summary of one − other, over the facts and seeds that both have."""
    return summary({key: value - other[key] for key, value in one.items() if key in other})


def together(values: Iterable[Values]) -> Values:
    """The mean of several quantities, where all of them were measured."""
    found = list(values)
    keys = [key for key in found[0] if all(key in one for one in found)] if found else []
    return {key: sum(one[key] for one in found) / len(found) for key in keys}


def _short(value: float) -> float:
    return float(f"{value:.6g}")

"""How a result of `errata reproduce land` is read: its methods in order, its numbers as text."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeAlias

from errata.neurons import Neuron
from errata.reports.markdown import MISSING

Result: TypeAlias = Mapping[str, Any]
# {"mean": …, "interval": …, "seeds": […]}, or nothing where it was not measured
Measured: TypeAlias = Mapping[str, Any] | None

LABELS = {
    "before": "before",
    "knowledge_neurons": "Baseline",
    "kn_refined": "KN-refined",
    "land": "LAND",
    "fact_code": "fact code",
    "relation_frequent": "relation's most frequent",
}
RANDOM = "random_as_"
EXAMPLES = ("knowledge_neurons", "land", "fact_code")


def label(method: str) -> str:
    """The name a reader sees: the paper's for its methods, `random, as LAND` for a control."""
    if method.startswith(RANDOM):
        return f"random, as {label(method.removeprefix(RANDOM))}"
    return LABELS.get(method, method)


def methods_of(result: Result, table: Mapping[str, Any] | None) -> list[str]:
    """The result's methods that a table holds, in the result's order."""
    return [method for method in result["methods"] if table and table.get(method)]


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


def in_all(phrasings: list[set[Neuron]]) -> set[Neuron]:
    """The neurons that every phrasing has."""
    return set[Neuron].intersection(*phrasings) if phrasings else set()


def example_sets(result: Result, method: str) -> list[set[Neuron]]:
    """The example's neurons as one method finds them, a set for each phrasing."""
    found = result["example"]["neurons"][method]
    return [{(int(layer), int(index)) for layer, index in phrasing} for phrasing in found]

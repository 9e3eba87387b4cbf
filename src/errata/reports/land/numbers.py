"""How a result of `errata reproduce land` is read: its methods in order, its example's neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errata.neurons import Neuron
from errata.reports.measured import Result

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


def in_all(phrasings: list[set[Neuron]]) -> set[Neuron]:
    """The neurons that every phrasing has."""
    return set[Neuron].intersection(*phrasings) if phrasings else set()


def example_sets(result: Result, method: str) -> list[set[Neuron]]:
    """The example's neurons as one method finds them, a set for each phrasing."""
    found = result["example"]["neurons"][method]
    return [{(int(layer), int(index)) for layer, index in phrasing} for phrasing in found]

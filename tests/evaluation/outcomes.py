"""Results for tests: headers that differ in what is asked, rows from values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from errata.evaluation.results import Header, Results, Row

HEADER = Header(
    command="errata evaluate rome",
    seeds=(0, 1, 2),
    versions={"errata-lm": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "python": "3.11.9"},
    model="pocket-gelu",
    weights="sha256:0123456789abcdef",
    dtype="float32",
    data="pocket",
    revision="sha256:fedcba",
    protocols={"generation": {"max_new_tokens": 8}, "teacher-forced": {}},
    method="rome",
    settings={"layer": 2, "values": {"steps": 20}},
    regime="single",
    schedule={},
)


def header(**changed: Any) -> Header:
    """The header, but for what is given."""
    return replace(HEADER, **changed)


def results(
    values: Sequence[float] | Mapping[tuple[str, int], float], metric: str = "efficacy", **changed: Any
) -> Results:
    """Results of one metric by generation, of the cases `case-000` and so on with seed 0, or of those named."""
    named = values if isinstance(values, Mapping) else {(f"case-{at:03}", 0): value for at, value in enumerate(values)}
    rows = [
        Row(case, seed, {"generation": {metric: 0.0}}, {"generation": {metric: value}})
        for (case, seed), value in named.items()
    ]
    return Results(header(**changed), tuple(rows))


def many(values: Mapping[str, Sequence[float]], **changed: Any) -> Results:
    """Results of several metrics, with one seed."""
    rows = [
        Row(f"case-{at:03}", 0, {}, {"generation": dict(zip(values, own, strict=True))})
        for at, own in enumerate(zip(*values.values(), strict=True))
    ]
    return Results(header(**changed), tuple(rows))


def shares(right: str) -> list[float]:
    """Ones and zeros: `shares("1101")`."""
    return [float(one) for one in right]

"""The units of a leaderboard put together: a row for each method in each regime, and who is not shown to be second.

A method is level with the best of a score where their paired difference is not shown: its interval holds 0, or its p,
corrected by Holm for all methods of the table, is 0.05 or more (errata.evaluation.contrast).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from errata.evaluation.contrast import DESIGNS, tested
from errata.evaluation.results import Results, from_lines
from errata.evaluation.significance import LEVEL, corrected
from errata.evaluation.statistics import Values, differences, interval, mean_over_facts
from errata.evaluation.summary import summary
from errata.reproduce.leaderboard.plan import Unit
from errata.reproduce.parts import Done, counted, failures, seconds_of

# The scores whose best are marked.
RANKED = ("efficacy", "generalization", "specificity", "portability", "locality")


@dataclass(frozen=True)
class Entry:
    """One method in one regime on one model and data set, over the seeds that were measured, asked at one time."""

    unit: Unit
    when: str
    parts: tuple[Mapping[str, Any], ...]
    results: Results

    @property
    def table(self) -> tuple[str, str, str, str]:
        """The table it stands in."""
        return self.unit.model, self.unit.data.title, self.unit.regime.name, self.when

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain values."""
        model, data, regime, when = self.table
        return {
            "model": model,
            "data": data,
            "regime": regime,
            "kind": self.results.header.regime,
            "when": when,
            "method": self.unit.method.name,
            "seeds": list(self.results.header.seeds),
            "cases": len(self.results.rows),
            "already": sum(row.already for row in self.results.rows),
            "failed": sum(row.failed for row in self.results.rows),
            "seconds_per_step": statistics.median(part["seconds_per_step"] for part in self.parts),
            "retained": _retained(self.parts),
            "scores": summary(self.results),
        }


def result_of(units: Sequence[Done[Unit]]) -> dict[str, Any]:
    """Everything of the result that is worked out from the units, with the names of those that are missing."""
    entries = _entries(units)
    return {
        "units": {**counted(units), "failed": failures(units)},
        "entries": [entry.to_dict() for entry in entries],
        "level": [row for table in dict.fromkeys(one.table for one in entries) for row in _level(table, entries)],
        "seconds": seconds_of(units),
    }


def _entries(units: Sequence[Done[Unit]]) -> list[Entry]:
    """In the plan's order, the seeds of a method together."""
    groups: dict[tuple[Any, ...], list[tuple[Unit, Mapping[str, Any]]]] = {}
    for done in units:
        if done.found is not None:
            unit = done.unit
            groups.setdefault((unit.model, unit.data.title, unit.regime, unit.method.name), []).append(
                (unit, done.found)
            )
    found: list[Entry] = []
    for group in groups.values():
        parts = tuple(part for _, part in group)
        found += [
            Entry(group[0][0], when, parts, _joined([from_lines(part["results"][when]) for part in parts]))
            for when in parts[0]["results"]
        ]
    return found


def _joined(seeds: Sequence[Results]) -> Results:
    """The results of several seeds as one."""
    header = replace(seeds[0].header, seeds=tuple(seed for one in seeds for seed in one.header.seeds))
    return Results(header, tuple(row for one in seeds for row in one.rows))


def _level(table: tuple[str, str, str, str], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """By protocol and score, the best method of a table and those that are not shown to be below it."""
    own = [entry for entry in entries if entry.table == table]
    model, data, regime, when = table
    rows: list[dict[str, Any]] = []
    for protocol in own[0].results.header.protocols:
        for metric in RANKED:
            values = {one.unit.method.name: one.results.values(protocol, metric) for one in own}
            ranked = {name: mean_over_facts(found) for name, found in values.items() if found}
            if len(ranked) < 2:
                continue
            best = max(ranked, key=lambda name: ranked[name])
            where = {"model": model, "data": data, "regime": regime, "when": when}
            level = _not_below(values[best], {name: values[name] for name in ranked if name != best}, own[0])
            rows.append({**where, "protocol": protocol, "metric": metric, "best": best, "level": [best, *level]})
    return rows


def _not_below(best: Values, others: Mapping[str, Values], entry: Entry) -> list[str]:
    """The methods that are not shown to be below the best."""
    design = DESIGNS[entry.results.header.regime]
    p_values = corrected([tested(best, own)[1] for own in others.values()])
    return [
        name
        for (name, own), p in zip(others.items(), p_values, strict=True)
        if p >= LEVEL or interval(differences(best, own), design)[0] <= 0
    ]


def _retained(parts: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Cases edited and the mean over seeds of the share of them that says the target."""
    curves = [dict(part["retained"]) for part in parts]
    return [
        [done, statistics.fmean(curve[done] for curve in curves)]
        for done in sorted(set.intersection(*map(set, curves)))
    ]

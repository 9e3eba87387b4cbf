"""The units of a grid put together: every cell's means over facts, and the differences that answer its questions.

    control     a localizer − random neurons of equal number in the same layers: does it matter which neurons?
    completion  land − knowledge_neurons: does completing one phrasing's neurons help?
    whole       a localizer − all neurons of the knowledge neurons' layers: does it help to choose at all?

Each with the same editor, view, facts and seeds on both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from errata.evaluation.statistics import Values
from errata.reproduce.grid.measure import COSTS, SCORES
from errata.reproduce.grid.paired import difference, summary, together
from errata.reproduce.grid.plan import OWN, WHOLE, Plan, Unit
from errata.reproduce.parts import Done, counted, seconds_of

MEAN = "mean"
SIDES = ("chosen", "random")
COMPLETION = ("land", "knowledge_neurons")


@dataclass(frozen=True)
class Cell:
    """One localizer, or the random control of one, with one editor in one view, over the seeds that were measured."""

    localizer: str
    editor: str
    view: str
    random: bool
    units: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]

    @cached_property
    def values(self) -> dict[str, Values]:
        """By quantity, the value of every fact and seed; `mean` is that of the scores that were measured.

        What an edit cost is left out of facts that could not be edited, through chosen neurons or through random ones.
        """
        found: dict[str, Values] = {}
        for name in (*SCORES, *COSTS):
            found[name] = {
                (tuple(fact), seed): float(value)
                for unit, seed in zip(self.units, self.seeds, strict=True)
                for fact, value, done in zip(unit["facts"], unit[self._side][name], _edited(unit), strict=True)
                if value is not None and (done or name in SCORES)
            }
        return {**found, MEAN: together([found[name] for name in SCORES if found[name]])}

    @property
    def _side(self) -> str:
        return SIDES[self.random]

    def to_dict(self) -> dict[str, Any]:
        """Means over facts; seconds are medians, of finding the neurons and of editing them; `empty` found none."""
        sides = [unit[self._side] for unit in self.units]
        costs = {name: list(self.values[name].values()) for name in COSTS}
        return {
            "localizer": self.localizer,
            "random": self.random,
            "editor": self.editor,
            "view": self.view,
            "seeds": list(self.seeds),
            **{name: summary(self.values[name]) for name in (*SCORES, MEAN)},
            "edits": sum(len(side["error"]) for side in sides),
            "failed": sum(error is not None for side in sides for error in side["error"]),
            "empty": sum(count == 0 for side in sides for count in side["neurons"]),
            "neurons": _of(statistics.fmean, costs["neurons"]),
            "norm": _of(statistics.fmean, costs["norm"]),
            "seconds": _of(statistics.median, costs["seconds"]),
            "attribution_seconds": statistics.median(taken for unit in self.units for taken in unit["attribution"]),
        }


def result_of(plan: Plan, units: Sequence[Done[Unit]]) -> dict[str, Any]:
    """Everything of the result that is worked out from the units, with the names of those that are missing."""
    cells = _cells(plan, units)
    return {
        "units": {
            **counted(units),
            "failed": [row for done in units if done.found is not None for row in _failures(done.unit, done.found)],
        },
        "cells": [cell.to_dict() for cell in cells],
        "contrasts": _contrasts(cells),
        "seconds": seconds_of(units),
    }


def _failures(unit: Unit, found: dict[str, Any]) -> list[dict[str, Any]]:
    """A unit's sides in which edits failed: how many, and the first error."""
    sides = {name: [error for error in found[name]["error"] if error] for name in SIDES if found[name]}
    return [
        {"unit": f"{unit.name}, {name}", "edits": len(errors), "error": errors[0]}
        for name, errors in sides.items()
        if errors
    ]


def _edited(unit: dict[str, Any]) -> list[bool]:
    """Whether each fact could be edited on every side."""
    sides = [unit[name]["error"] for name in SIDES if unit[name]]
    return [not any(errors) for errors in zip(*sides, strict=True)]


def _of(summed: Callable[[list[float]], float], values: list[float]) -> float | None:
    """A mean or median; None of nothing."""
    return summed(values) if values else None


def _cells(plan: Plan, units: Sequence[Done[Unit]]) -> list[Cell]:
    """In the plan's order, each localizer followed by its random control; cells of nothing are left out."""
    cells: list[Cell] = []
    for view in plan.views:
        for editor in plan.editors:
            for name in plan.localizers:
                own = [
                    (done.found, done.unit.seed)
                    for done in units
                    if done.found is not None
                    and (done.unit.view, done.unit.editor, done.unit.finder.localizer) == (view, editor, name)
                ]
                if own:
                    found, seeds = zip(*own, strict=True)
                    sides = (False,) if found[0]["random"] is None else (False, True)
                    cells += [Cell(name, editor, view, random, found, seeds) for random in sides]
    return cells


def _contrasts(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Every difference whose two sides were measured."""
    at = {(cell.view, cell.editor, cell.localizer, cell.random): cell for cell in cells}
    rows: list[dict[str, Any]] = []
    for (view, editor, name, random), cell in at.items():
        if random:
            continue
        others = [("control", (view, editor, name, True))]
        if name == COMPLETION[0]:
            others.append(("completion", (view, editor, COMPLETION[1], False)))
        if name not in WHOLE:
            others += [("whole", (OWN, editor, whole, False)) for whole in WHOLE]
        for kind, key in others:
            if key in at:
                rows.append(_contrast(kind, cell, at[key]))
    return rows


def _contrast(kind: str, one: Cell, other: Cell) -> dict[str, Any]:
    return {
        "kind": kind,
        "localizer": one.localizer,
        "against": other.localizer,
        "editor": one.editor,
        "view": one.view,
        **{name: difference(one.values[name], other.values[name]) for name in (*SCORES, MEAN, "norm")},
    }

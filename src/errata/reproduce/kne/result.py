"""The units of KNE's measurement put together: one row an arm, over the seeds, each protocol by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errata.reproduce.kne.arms import KNE
from errata.reproduce.kne.plan import LAYERS, RATE, SHARE, TIMING, Plan
from errata.reproduce.kne.rows import Done, is_of, of_arm, paired, row_of
from errata.reproduce.kne.targets import targets_of
from errata.reproduce.parts import counted, failures, seconds_of
from errata.reproduce.summary import mean

COMPARED = ("efficacy", "generalization", "heldout", "portability", "locality")
# What the sweep over learning rates chooses by: the mean of these, by free generation.
CHOOSING = ("efficacy", "generalization", "locality")


def result_of(plan: Plan, edits: Sequence[Done], sweeps: Sequence[Done]) -> dict[str, Any]:
    """Everything of the result that is worked out from the units, with the names of those that are missing."""
    units = _parts([*sweeps, *edits])
    return {
        "units": {**counted(units), "failed": failures(units)},
        "arms": {done.unit.arm.name: done.found["editor"] for done in reversed(edits) if done.found is not None},
        "tables": {
            str(batch): {
                one.name: row
                for one in plan.arms
                if (row := row_of([done for done in edits if is_of(done, one.name, batch)])) is not None
            }
            for batch in plan.batches
        },
        "differences": _differences(plan, edits),
        "sweeps": {kind: _swept(sweeps, kind) for kind in (SHARE, LAYERS, RATE)},
        "chosen": chosen_rates(plan, sweeps),
        "timing": [{**row, **place} for row, place in zip(_swept(sweeps, TIMING), _places(sweeps), strict=True)],
        "targets": targets_of(plan, edits, sweeps),
        "seconds": seconds_of(units),
    }


def chosen_rates(plan: Plan, sweeps: Sequence[Done]) -> dict[str, Mapping[str, Any] | None]:
    """Of every tuned arm the settings with the best mean of the choosing scores; None before its sweep is whole."""
    found: dict[str, Mapping[str, Any] | None] = {}
    for one in plan.arms:
        if one.tuned is None:
            continue
        tried = [done for done in sweeps if done.unit.kind == RATE and done.unit.arm.base == one.tuned]
        whole = bool(tried) and all(done.found is not None for done in tried)
        found[one.name] = dict(max(tried, key=_goodness).unit.change) if whole else None
    return found


def _differences(plan: Plan, edits: Sequence[Done]) -> dict[str, dict[str, Any]]:
    """KNE less every other arm, single edits, by free generation."""
    own = of_arm(edits, KNE)
    found: dict[str, dict[str, Any]] = {}
    for one in plan.arms:
        other = of_arm(edits, one.name)
        if one.name != KNE and own and other:
            found[one.name] = {name: paired(own, other, name) for name in COMPARED}
    return found


def _swept(sweeps: Sequence[Done], kind: str) -> list[dict[str, Any]]:
    """A row for each measured unit of a sweep."""
    return [
        {"arm": done.unit.arm.base, "change": dict(done.unit.change), **(row_of([done]) or {})}
        for done in sweeps
        if done.unit.kind == kind and done.found is not None
    ]


def _places(sweeps: Sequence[Done]) -> list[dict[str, Any]]:
    """What each timed unit was measured on."""
    return [
        {name: done.found[name] for name in ("device", "threads")}
        for done in sweeps
        if done.unit.kind == TIMING and done.found is not None
    ]


def _parts(units: Sequence[Done]) -> list[Done]:
    """The units by what is measured: of those that share a file the first."""
    found: dict[str, Done] = {}
    for done in units:
        found.setdefault(done.file or done.unit.name, done)
    return list(found.values())


def _goodness(done: Done) -> float:
    return mean([done.mean(name) or 0.0 for name in CHOOSING]) or 0.0

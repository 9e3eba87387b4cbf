"""The units of a reconstruction of O-Edit put together: one row an arm and a number of edits, over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from errata.reproduce.o_edit.plan import ABLATION, COVARIANCE, SEQUENCE, SINGLE, Plan
from errata.reproduce.o_edit.rows import METRICS, SCORES, Done
from errata.reproduce.o_edit.targets import STABLE, single_targets, targets_of
from errata.reproduce.parts import counted, failures, seconds_of
from errata.reproduce.summary import over_seeds


def result_of(plan: Plan, units: Sequence[Done]) -> dict[str, Any]:
    """Everything of the result that is worked out from the units, with the names of those that are missing."""
    sequences = [done for done in units if done.unit.kind == SEQUENCE]
    found: dict[str, Any] = {
        "units": {**counted(units), "failed": failures(units)},
        "sequences": {
            str(batch): {
                one.name: _over(
                    [done for done in sequences if (done.unit.arm.name, done.unit.batch) == (one.name, batch)]
                )
                for one in plan.arms
            }
            for batch in plan.batches
        },
        "alarms": _alarms(sequences),
        "ablation": _ablation(plan, units),
        "covariance": _covariance(plan, units),
        "seconds": seconds_of(units),
    }
    found["targets"] = targets_of(plan, sequences, found["alarms"])
    return found


def editors_of(plan: Plan, units: Sequence[Done]) -> dict[str, dict[str, Any]]:
    """Every arm's editor with its settings: as they were for the model, or as given where nothing was measured."""
    measured = {done.unit.arm.name: done.found["editor"] for done in reversed(units) if done.found is not None}
    return {one.name: measured.get(one.name, one.resolved(plan.seeds[0])) for one in plan.arms}


def width_of(units: Sequence[Done]) -> dict[str, int] | None:
    """d_model and d_ff of the model, as the first unit that tells them has found them."""
    found = [done.found for done in units if done.found is not None and "d_ff" in done.found]
    return {name: found[0][name] for name in ("d_model", "d_ff")} if found else None


def single_of(plan: Plan, units: Sequence[Done]) -> dict[str, Any]:
    """The single edits, arm by arm, with their targets; an arm that was not measured is left out."""
    arms = {done.unit.arm.name: done.found for done in units if done.unit.kind == SINGLE and done.found is not None}
    kept = ("scores", "seconds_per_edit", "failed", "editor")
    table = {name: {key: found.get(key) for key in kept} for name, found in arms.items()}
    return {"facts": plan.single, "arms": table, "targets": single_targets(table)}


def _over(units: Sequence[Done]) -> list[dict[str, Any]]:
    """A row for each number of edits that any seed was scored at."""
    rows: list[dict[str, Any]] = []
    for edits in sorted({row["edits"] for done in units for row in done.rows}):
        own = [(done.unit.seed, row) for done in units for row in done.rows if row["edits"] == edits]
        metrics = {name: over_seeds([row.get(name) for _, row in own]) for name in METRICS}
        rows.append({"edits": edits, "seeds": [seed for seed, _ in own], **metrics})
    return rows


def _alarms(sequences: Sequence[Done]) -> list[dict[str, Any]]:
    """A row for each sequence: when an alarm first fired, when efficacy fell below one half, how long all was well."""
    rows: list[dict[str, Any]] = []
    for done in sequences:
        if done.found is None:
            continue
        low = [row["edits"] for row in done.rows if row["efficacy"] is not None and row["efficacy"] < 0.5]
        high = takewhile(lambda row: all(row[name] is None or row[name] > STABLE for name in SCORES), done.rows)
        alarms = done.alarms
        rows.append(
            {
                "arm": done.unit.arm.name,
                "batch": done.unit.batch,
                "seed": done.unit.seed,
                "first": alarms[0] if alarms else None,
                "count": len(alarms),
                "below_half": low[0] if low else None,
                "stable": max((row["edits"] for row in high), default=0),
            }
        )
    return rows


def _ablation(plan: Plan, units: Sequence[Done]) -> list[dict[str, Any]]:
    """A row for each change of a switch, at the end of its sequence."""
    rows: list[dict[str, Any]] = []
    for change, name in zip(plan.switches, _names(units, ABLATION), strict=False):
        own = _over([done for done in units if done.unit.kind == ABLATION and done.unit.arm.name == name])
        last = [row for row in own if row["edits"] == plan.ablation]
        if last:
            rows.append({"change": dict(change), **last[0]})
    return rows


def _covariance(plan: Plan, units: Sequence[Done]) -> dict[str, Any]:
    """For each arm its row without covariance, and beside it the main sequence's of as many edits."""
    found: dict[str, Any] = {}
    for arm, name in zip(plan.no_covariance, _names(units, COVARIANCE), strict=False):
        off = [done for done in units if done.unit.kind == COVARIANCE and done.unit.arm.name == name]
        on = [
            done
            for done in units
            if done.unit.kind == SEQUENCE and (done.unit.arm.name, done.unit.batch) == (arm, min(plan.batches))
        ]
        rows = {
            key: next((row for row in _over(some) if row["edits"] == plan.ablation), None)
            for key, some in (("with", on), ("without", off))
        }
        if rows["without"] is not None:
            found[arm] = rows
    return found


def _names(units: Sequence[Done], kind: str) -> list[str]:
    """The arms of a kind, in the plan's order."""
    return list(dict.fromkeys(done.unit.arm.name for done in units if done.unit.kind == kind))

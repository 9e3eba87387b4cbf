"""`errata reproduce kne`: the sweeps, the settings they choose, the edits, the times, and the result put together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from errata.errors import InputError
from errata.facts import Examination
from errata.methods import versions
from errata.model.identity import identify
from errata.model.load import layer_count
from errata.model.view import ModelView
from errata.reproduce.kne.facts import Source
from errata.reproduce.kne.measure import measure
from errata.reproduce.kne.plan import Plan, Unit
from errata.reproduce.kne.result import chosen_rates, result_of
from errata.reproduce.kne.rows import Done
from errata.reproduce.source import digest
from errata.reproduce.units import all_threads, measure_missing, read_json, require_all, unmeasured


def reproduce(
    source: Source, plan: Plan, work: Path, command: str, workers: int = 1, measuring: bool = True, silent: bool = False
) -> dict[str, Any]:
    """The result as plain values, with the names of parts that are missing; without `measuring` nothing is computed.

    Raises InputError for a data set with fewer facts than the plan's and for layers that the model has not,
    MissingPackageError for an arm's package that is not installed, EditError where a part failed, after all others are
    measured.
    """
    weights = identify(plan.model).weights
    facts = {seed: source.facts(seed, plan.facts) for seed in plan.seeds}
    tuning = source.tuning(plan.tuning)
    _require(plan, measuring)
    work.mkdir(parents=True, exist_ok=True)
    asked = {None: tuning, **facts}
    digests = {seed: digest([asdict(one) for one in own]) for seed, own in asked.items()}
    failures: list[str] = []
    parts = 0

    def done(units: Sequence[Unit], processes: int = workers) -> list[Done]:
        nonlocal parts
        places = [(unit, work / plan.file_name(unit, weights, digests[unit.drawn])) for unit in units]
        if measuring:
            content = partial(_content, plan, facts, tuning)
            parts += len(unmeasured(places))
            failures.extend(measure_missing(places, content, plan.model, plan.device, processes, silent))
        return [Done(unit, read_json(path), path.name) for unit, path in places]

    sweeps = done(plan.sweeps())
    rates = chosen_rates(plan, sweeps)
    units = plan.edits(rates)
    edits = done([unit for unit in units if rates.get(unit.arm.name, {}) is not None])
    with all_threads():
        sweeps += done(plan.timings(), processes=1)
    require_all(failures, parts)
    waiting = [Done(unit, None) for unit in units if rates.get(unit.arm.name, {}) is None]
    return {
        "command": command,
        "method": "KNE",
        "model": plan.model,
        "weights": weights,
        "data": source.described,
        "versions": versions(),
        "seeds": list(plan.seeds),
        "settings": plan.settings(),
        **result_of(plan, [*edits, *waiting], sweeps),
    }


def _require(plan: Plan, measuring: bool) -> None:
    """Raise where a part of the plan cannot be measured, before any is."""
    layers = layer_count(plan.model) if plan.layers else None
    if layers is not None and not all(0 <= layer < layers for layer in plan.layers):
        raise InputError(
            f"Expected layers from 0 to {layers - 1}, those of {plan.model}, found {max(plan.layers)}: "
            "give others to --layers."
        )
    for one in plan.arms if measuring else ():
        one.build(0).require_packages()


def _content(
    plan: Plan,
    facts: Mapping[int, Sequence[Examination]],
    tuning: Sequence[Examination],
    view: ModelView,
    unit: Unit,
) -> bytes:
    """What a unit's file holds."""
    asked = tuning if unit.drawn is None else facts[unit.drawn]
    return json.dumps(measure(view, plan, unit, asked), allow_nan=False).encode()

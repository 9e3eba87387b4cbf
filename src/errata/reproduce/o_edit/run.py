"""O-Edit, reconstructed: sequences of edits by every editor, its switches, and single edits, from one command.

Every unit, an arm in one sequence with one seed, is a file in the work directory, written whole or not at all. A run
that was stopped goes on with the units that are missing; a result can be made of those that are there.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from errata.methods import versions
from errata.model.identity import identify
from errata.model.view import ModelView
from errata.reproduce.o_edit.batteries import battery
from errata.reproduce.o_edit.measure import measure
from errata.reproduce.o_edit.plan import Plan, Unit
from errata.reproduce.o_edit.result import editors_of, result_of, single_of, width_of
from errata.reproduce.o_edit.rows import Done
from errata.reproduce.source import Source, digest
from errata.reproduce.units import measure_missing, read_json, require_all
from errata.sequences import Battery


def reproduce(
    source: Source, plan: Plan, work: Path, command: str, workers: int = 1, measuring: bool = True, silent: bool = False
) -> dict[str, Any]:
    """The result as plain values, with the names of units that are missing; without `measuring` nothing is computed.

    Raises InputError for a data set with fewer facts than the plan's sequences need, EditError where a unit failed,
    after all others are measured.
    """
    work.mkdir(parents=True, exist_ok=True)
    weights = identify(plan.model).weights
    longest = max(plan.edits, plan.single)
    batteries = {seed: battery(source, seed, longest, plan.known) for seed in plan.seeds}
    digests = {seed: digest(asdict(own)) for seed, own in batteries.items()}
    places = [(unit, work / plan.file_name(unit, weights, digests[unit.seed])) for unit in plan.units()]
    if measuring:
        missing = [place for place in places if not place[1].exists()]
        measured = partial(_content, plan, batteries)
        require_all(measure_missing(missing, measured, plan.model, plan.device, workers, silent), len(missing))
    units = [Done(unit, read_json(path)) for unit, path in places]
    return {
        "command": command,
        "method": "reconstruction of O-Edit",
        "model": plan.model,
        "weights": weights,
        "width": width_of(units),
        "data": source.described,
        "versions": versions(),
        "seeds": list(plan.seeds),
        "settings": plan.settings(),
        "arms": editors_of(plan, units),
        "single": single_of(plan, units),
        **result_of(plan, units),
    }


def _content(plan: Plan, batteries: dict[int, Battery], view: ModelView, unit: Unit) -> bytes:
    """What a unit's file holds."""
    return json.dumps(measure(view, plan, unit, batteries[unit.seed]), allow_nan=False).encode()

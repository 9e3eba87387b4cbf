"""The grid from one command: attributions once, then every cell, each a file in the work directory.

Every unit is written whole or not at all. A run that was stopped goes on with the units that are missing; a result can
be made of those that are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from errata.errors import InputError
from errata.methods import versions
from errata.model.identity import identify
from errata.model.view import ModelView
from errata.reproduce.grid.cases import Drawn, about, cases_of
from errata.reproduce.grid.known import attribute, read
from errata.reproduce.grid.measure import measure
from errata.reproduce.grid.plan import IN_ALL_PHRASINGS, MATCHED, Finder, Plan, Unit, described
from errata.reproduce.grid.result import result_of
from errata.reproduce.parts import Done
from errata.reproduce.source import Source
from errata.reproduce.units import measure_missing, read_json, require_all

Cases = Mapping[int, Drawn]
Files = Mapping[Finder, Path]


def reproduce(
    source: Source, plan: Plan, work: Path, command: str, workers: int = 1, measuring: bool = True, silent: bool = False
) -> dict[str, Any]:
    """The result as plain values, with the names of units that are missing; without `measuring` nothing is computed.

    Raises InputError where there are fewer facts than the plan needs, EditError where a unit failed, after all others
    are measured.
    """
    work.mkdir(parents=True, exist_ok=True)
    weights = identify(plan.model).weights
    cases = {seed: cases_of(source, seed, plan.facts) for seed in plan.seeds}
    digests = {seed: own.digest() for seed, own in cases.items()}
    files = {
        finder: work / plan.finder_file(finder, weights, digests[seed])
        for seed in plan.seeds
        for finder in plan.finders(seed)
    }
    places = [(unit, work / plan.unit_file(unit, weights, digests[unit.seed])) for unit in plan.units()]
    if measuring:
        _measure(plan, cases, files, [place for place in places if not place[1].exists()], workers, silent)
    units = [Done(unit, read_json(path)) for unit, path in places]
    return {
        "command": command,
        "model": plan.model,
        "weights": weights,
        "data": about(source, list(cases.values())),
        "versions": versions(),
        "seeds": list(plan.seeds),
        "settings": plan.settings(),
        "once": [name for name in plan.localizers if MATCHED in plan.views and plan.fixed(name)],
        "localizers": _settled(plan.localizers, units, "localizer"),
        "editors": _settled(plan.editors, units, "editor"),
        **result_of(plan, units),
    }


def _measure(
    plan: Plan, cases: Cases, files: Files, missing: list[tuple[Unit, Path]], workers: int, silent: bool
) -> None:
    """Seed by seed: the attributions that missing units need, then the units."""
    failures: list[str] = []
    parts = 0
    for seed in plan.seeds:
        units = [place for place in missing if place[0].seed == seed]
        needed = {unit.finder for unit, _ in units}
        found = [(finder, path) for finder, path in files.items() if finder in needed and not path.exists()]
        options = (plan.model, plan.device, workers, silent)
        failures += measure_missing(found, partial(_attributions, cases), *options, what=f"attributing, seed {seed}")
        failures += measure_missing(units, partial(_cell, plan, cases, files), *options, what=f"editing, seed {seed}")
        parts += len(found) + len(units)
    require_all(failures, parts)


def _attributions(cases: Cases, view: ModelView, finder: Finder) -> bytes:
    """A localizer's attributions as a file's content."""
    return attribute(view, finder.build(), cases[finder.seed], finder.localizer in IN_ALL_PHRASINGS)


def _cell(plan: Plan, cases: Cases, files: Files, view: ModelView, unit: Unit) -> bytes:
    """What a unit's file holds."""
    if not files[unit.finder].exists():
        raise InputError("its attributions could not be computed.")
    own = cases[unit.seed]
    known = read(files[unit.finder], own.cases)
    return json.dumps(measure(view, plan, unit, own, known), allow_nan=False).encode()


def _settled(names: tuple[str, ...], units: list[Done[Unit]], kind: str) -> dict[str, Any]:
    """Every method's settings as they were for the model; those of nothing measured as they are given."""
    found: dict[str, Any] = {}
    for done in units:
        name = done.unit.finder.localizer if kind == "localizer" else done.unit.editor
        if done.found is not None:
            found[name] = done.found[kind]
        else:
            found.setdefault(name, described(done.unit.finder.build() if kind == "localizer" else done.unit.build()))
    return {name: found[name] for name in names if name in found}

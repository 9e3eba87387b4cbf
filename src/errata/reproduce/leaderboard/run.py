"""A leaderboard from one plan: every unit a file in the work directory, and what all of them say put together.

A run that was stopped goes on with the units that have no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from errata.datasets import catalog
from errata.datasets.collected import DataSet
from errata.errors import InputError
from errata.evaluation.protocols import Settings
from errata.evaluation.results import to_lines
from errata.ledger.disk import write_durably
from errata.methods import settings_of, versions
from errata.model.identity import identify
from errata.model.view import ModelView
from errata.reproduce.leaderboard.before import before
from errata.reproduce.leaderboard.measure import AT_END, RIGHT_AFTER, Asked, Found, measure
from errata.reproduce.leaderboard.plan import Data, Plan, Unit
from errata.reproduce.leaderboard.result import result_of
from errata.reproduce.parts import Done
from errata.reproduce.source import digest
from errata.reproduce.units import measure_missing, read_json, require_all, unmeasured

POCKET = "pocket"
# The data of a unit: an embedded model's own facts differ from model to model.
Drawn = tuple[str, str, int]


@dataclass(frozen=True)
class Course:
    """What every unit's measurement is given beside the unit itself."""

    plan: Plan
    data: Mapping[Drawn, DataSet]
    weights: Mapping[str, str]
    settings: Settings
    work: Path
    command: str

    def cases_of(self, unit: Unit) -> DataSet:
        """The unit's data set, with as many cases as its regime edits, the first."""
        found = self.data[unit.model, unit.data.title, unit.seed]
        return DataSet(found.name, found.examinations[: unit.regime.cases], found.skipped, found.files)


def measure_all(
    plan: Plan,
    work: Path,
    command: str,
    settings: Settings | None = None,
    workers: int = 1,
    measuring: bool = True,
    silent: bool = False,
) -> dict[str, Any]:
    """The result as plain values, with the names of units that are missing; without `measuring` nothing is computed.

    Raises InputError for data sets with fewer cases than the plan's, MissingPackageError for an editor's package that
    is not installed, EditError where a unit failed, after all others are measured.
    """
    for method in plan.methods if measuring else ():
        method.build().require_packages()
    course = _course(plan, work, command, settings or Settings())
    work.mkdir(parents=True, exist_ok=True)
    places = [(unit, work / _file_name(course, unit)) for unit in plan.units()]
    failures: list[str] = []
    parts = len(unmeasured(places))
    for model in plan.models if measuring else ():
        own = [place for place in places if place[0].model == model]
        failures += measure_missing(own, partial(_content, course), model, plan.device, workers, silent)
    require_all(failures, parts)
    return {
        "command": command,
        "name": plan.name,
        "versions": versions(),
        "weights": dict(course.weights),
        "data": _described(course),
        "settings": {"limit": course.settings.limit, "written": course.settings.written, "seeds": plan.seeds},
        "protocols": list(plan.protocols),
        "methods": {method.name: _settings_of(method.build()) for method in plan.methods},
        **result_of([Done(unit, read_json(path)) for unit, path in places]),
    }


def write_results(plan: Plan, work: Path, folder: Path, settings: Settings | None = None) -> None:
    """Write the results of every measured part as JSON Lines, for `errata compare`."""
    folder.mkdir(parents=True, exist_ok=True)
    course = _course(plan, work, "", settings or Settings())
    for unit in plan.units():
        found = read_json(work / _file_name(course, unit))
        for when, lines in found["results"].items() if found is not None else ():
            name = re.sub(r"[^\w.-]+", "-", f"{unit.name}, {when}")
            write_durably(folder / f"{name}.jsonl", lines.encode())


def _course(plan: Plan, work: Path, command: str, settings: Settings) -> Course:
    return Course(plan, _drawn(plan), {one: identify(one).weights for one in plan.models}, settings, work, command)


def _content(course: Course, view: ModelView, unit: Unit) -> bytes:
    """What a unit's file holds."""
    data, weights = course.cases_of(unit), course.weights[unit.model]
    asked = Asked(
        data.examinations,
        unit.data.title,
        revision_of(data),
        weights,
        course.plan.protocols,
        course.settings,
        before(view, weights, course.plan.protocols, data.examinations, course.settings, course.work),
        course.command,
    )
    return json.dumps(_plain(measure(view, unit, asked)), allow_nan=False).encode()


def _plain(found: Found) -> dict[str, Any]:
    results = {RIGHT_AFTER: found.right_after, AT_END: found.at_end}
    return {
        "results": {when: to_lines(own) for when, own in results.items() if own is not None},
        "retained": found.retained,
        "seconds_per_step": found.seconds_per_step,
        "seconds": found.seconds,
        "failed": sum(row.failed for row in found.right_after.rows),
        "error": found.error,
    }


def _drawn(plan: Plan) -> dict[Drawn, DataSet]:
    most = max(regime.cases for regime in plan.regimes)
    return {
        (model, data.title, seed): load(model, data, most, seed)
        for model in plan.models
        for data in plan.data
        for seed in range(plan.seeds)
    }


def load(model: str, data: Data, count: int, seed: int) -> DataSet:
    """The cases of a data set for a model; those named pocket are the embedded model's own facts.

    Raises InputError, with data set and model, as `errata.datasets.catalog.load` does.
    """
    where = data.where or ((model,) if data.name == POCKET else ())
    try:
        return catalog.load(data.name, where, count, seed, **data.options)
    except InputError as error:
        raise InputError(f"The data set {data.title} for {model}: {error}") from error


def revision_of(data: DataSet) -> str:
    """What the cases are, by content."""
    return f"sha256:{digest([asdict(one) for one in data.examinations])}"


def _described(course: Course) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "data": title,
            "seed": seed,
            "cases": len(found.examinations),
            "files": dict(found.files),
            "revision": revision_of(found),
        }
        for (model, title, seed), found in course.data.items()
    ]


def _file_name(course: Course, unit: Unit) -> str:
    """The name of a unit's file: what it is, and a hash of all that its numbers depend on."""
    built = unit.method.build()
    asked = [course.settings.limit, course.settings.written, list(course.plan.protocols)]
    content = [built.name, _settings_of(built), asdict(unit.regime), unit.seed, asked, versions()["errata-lm"]]
    key = digest([*content, course.weights[unit.model], revision_of(course.cases_of(unit))])[:16]
    return f"{unit.regime.kind}-{unit.method.editor}-s{unit.seed}-{key}.json"


def _settings_of(method: Any) -> dict[str, Any]:
    return json.loads(json.dumps({"editor": method.name, **settings_of(method)}))

"""One unit of the grid: facts edited each alone, through a localizer's neurons and through random ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from errata.deltas import Edit
from errata.errors import EditError, InputError
from errata.evaluation.metrics import score
from errata.evaluation.probes import CaseOutcome, probe
from errata.facts import Fact
from errata.methods import Editor, Localizer, localizer
from errata.model.view import ModelView
from errata.reproduce.grid.cases import Drawn
from errata.reproduce.grid.known import Known
from errata.reproduce.grid.plan import MATCHED, Plan, Unit, described
from errata.sequences.checkup import NAMES

SCORES = ("efficacy", "generalization", "specificity")
# What a row holds of every fact, beside its scores.
COSTS = ("neurons", "norm", "seconds")


def measure(view: ModelView, plan: Plan, unit: Unit, drawn: Drawn, known: Known) -> dict[str, Any]:
    """What a unit's file holds; the model is left as it was, and what it says unedited is kept with it."""
    began = time.monotonic()
    chosen = known.best(plan.count) if unit.view == MATCHED else known
    before = _unedited(view, drawn)
    editor = unit.build()
    random = localizer("random", localizer=chosen, seed=unit.seed, apart=True)
    return {
        "unit": unit.name,
        "localizer": dict(known.settings),
        "editor": described(editor.settled(view)),
        "facts": [list(case.fact.key) for case in drawn.cases],
        "attribution": [round(known.seconds[case.fact], 4) for case in drawn.cases],
        "chosen": _edited(view, editor, chosen, before),
        "random": _edited(view, editor, random, before) if unit.controlled else None,
        "seconds": round(time.monotonic() - began, 3),
    }


def _unedited(view: ModelView, drawn: Drawn) -> list[CaseOutcome]:
    """What the unedited model says, asked once for all units of a seed."""
    key = ("said unedited", drawn.digest())
    if key not in view.memo:
        view.memo[key] = probe(view, drawn.cases)
    return cast(list[CaseOutcome], view.memo[key])


def _edited(view: ModelView, editor: Editor, finder: Localizer, before: Sequence[CaseOutcome]) -> dict[str, list[Any]]:
    """By name a value a fact, and what went wrong; a fact whose edit failed is scored as it is."""
    own = replace(cast(Any, editor), localizer=finder)
    rows: dict[str, list[Any]] = {name: [] for name in (*SCORES, *COSTS, "error")}
    for outcome in before:
        fact = outcome.case.fact
        edit: Edit | None = None
        error: str | None = None
        after = outcome
        began = time.perf_counter()
        try:
            edit = own.edit(view, [fact])
        except (InputError, EditError) as failure:
            error = str(failure)
        seconds = time.perf_counter() - began
        if edit is not None:
            with view.applied(edit.deltas):
                (after,) = probe(view, [outcome.case])
        scores = {NAMES[name]: found.mean for name, found in score([outcome], [after]).items()}
        for name in SCORES:
            rows[name].append(scores.get(name))
        rows["neurons"].append(_count(view, finder, fact))
        rows["norm"].append(edit.norm() if edit else 0.0)
        rows["seconds"].append(round(seconds, 4))
        rows["error"].append(error)
    return rows


def _count(view: ModelView, finder: Localizer, fact: Fact) -> int:
    """How many neurons are edited: none of a fact that could not be attributed."""
    try:
        return len(finder.attribute(view, [fact])[0].neurons)
    except InputError:
        return 0

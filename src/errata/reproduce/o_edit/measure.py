"""One unit of a reconstruction of O-Edit: a sequence of edits with its checkups, or facts edited each alone."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace
from typing import Any

from errata.deltas import Edit
from errata.errors import EditError, InputError
from errata.evaluation.probes import CaseOutcome, probe
from errata.methods import Editor, settings_of
from errata.model.view import ModelView
from errata.reproduce.o_edit.plan import SINGLE, Plan, Unit
from errata.scores import Scores
from errata.sequences import Battery, Health, Scratch, Step, just_edited, run
from errata.sequences.checkup import joined


def measure(view: ModelView, plan: Plan, unit: Unit, battery: Battery) -> dict[str, Any]:
    """What a unit's file holds, on the first cases of its seed's battery; the model is left as it was."""
    editor = unit.arm.build(unit.seed)
    own = replace(battery, cases=battery.cases[: unit.edits])
    began = time.monotonic()
    found = _single(view, editor, own) if unit.kind == SINGLE else _sequence(view, editor, own, plan, unit)
    settled = json.loads(json.dumps({"editor": editor.name, **settings_of(editor.settled(view))}))
    head = {"unit": unit.name, "editor": settled, "edits": unit.edits, "d_model": view.d_model, "d_ff": view.d_ff}
    return {**head, **found, "seconds": round(time.monotonic() - began, 3)}


def _sequence(view: ModelView, editor: Editor, battery: Battery, plan: Plan, unit: Unit) -> dict[str, Any]:
    """The checkups of a sequence that no alarm stops; facts whose edit failed are counted, and the run goes on."""
    steps: list[Step] = []
    marks = plan.checkpoints(unit.batch, unit.edits)
    with Scratch(view) as book:
        found = run(view, editor, battery, unit.batch, book, marks, health=Health.off(), told=steps.append)
        checkups = [checkup.to_dict() for checkup in found]
    failed = [step for step in steps if step.error is not None]
    return {
        "checkups": checkups,
        "already": sum(len(step.already) for step in steps),
        "failed": sum(step.end - step.first - len(step.already) for step in failed),
        "error": failed[0].error if failed else None,
    }


def _single(view: ModelView, editor: Editor, battery: Battery) -> dict[str, Any]:
    """Scores and the median seconds of facts edited each alone; a fact whose edit failed is scored as it is."""
    before = probe(view, battery.cases)
    scores: list[Scores] = []
    seconds: list[float] = []
    errors: list[str] = []
    for outcome in before:
        began = time.perf_counter()
        try:
            edit = editor.edit(view, [outcome.case.fact])
        except (InputError, EditError) as error:
            errors.append(str(error))
            scores.append(just_edited(view, [outcome]))
            continue
        seconds.append(time.perf_counter() - began)
        scores.append(_alone(view, editor, edit, outcome))
    return {
        "scores": joined(scores).to_dict(),
        "seconds_per_edit": round(statistics.median(seconds), 4) if seconds else None,
        "failed": len(errors),
        "error": errors[0] if errors else None,
    }


def _alone(view: ModelView, editor: Editor, edit: Edit, outcome: CaseOutcome) -> Scores:
    with Scratch(view) as book:
        book.apply(edit)
        closing = editor.close(view, book.history())
        if closing is not None:
            book.apply(closing)
        return just_edited(view, [outcome])

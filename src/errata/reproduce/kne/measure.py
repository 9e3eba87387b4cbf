"""One unit: facts edited in groups, each group on the unedited model, and scored in both protocols."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import torch

from errata.datasets.pocket_examinations import answered
from errata.deltas import Edit
from errata.errors import EditError, InputError
from errata.evaluation.examination import UNTOUCHED, Examined, examine, examined_values, room
from errata.evaluation.teacher_forced import Choices, choice_values, choose
from errata.facts import Examination, Fact
from errata.methods import Editor, settings_of
from errata.model.view import ModelView
from errata.reproduce.kne.plan import Plan, Unit
from errata.reproduce.peak import peak_of


@dataclass(frozen=True)
class Outcomes:
    """What a model said to some examinations, in both protocols, and the tokens that it had for an answer."""

    limit: int
    examined: list[Examined]
    choices: list[Choices]


@dataclass(frozen=True)
class Made:
    """An edit, its seconds, and its peak of memory in bytes where that was watched."""

    edit: Edit
    seconds: float
    peak: int | None


def measure(view: ModelView, plan: Plan, unit: Unit, asked: Sequence[Examination]) -> dict[str, Any]:
    """What a unit's file holds; what the unedited model says to these facts is kept with the model."""
    key = ("said unedited", unit.drawn, plan.written)
    if key not in view.memo:
        view.memo[key] = outcomes(view, answered(view, asked), plan.written, room(view, asked))
    whole = cast(Outcomes, view.memo[key])
    before = Outcomes(whole.limit, whole.examined[: unit.facts], whole.choices[: unit.facts])
    return measured(view, unit, before, plan.written)


def outcomes(view: ModelView, asked: Sequence[Examination], written: int, limit: int) -> Outcomes:
    """Ask the model as it is now."""
    return Outcomes(limit, examine(view, asked, written, limit), choose(view, asked))


def measured(view: ModelView, unit: Unit, before: Outcomes, written: int) -> dict[str, Any]:
    """What a unit's file holds. The model is left as it was.

    A fact whose edit failed is scored as it is in what was to follow, and not in what was to stay. Raises EditError
    where every fact's failed.
    """
    began = time.monotonic()
    editor = unit.arm.build(unit.seed)
    after, failed, errors, made = Outcomes(before.limit, [], []), set[int](), list[str](), list[Made]()
    asked = [one.examination for one in before.examined]
    _warm(view, editor, asked[0].case.fact)
    for group in (range(at, min(at + unit.batch, len(asked))) for at in range(0, len(asked), unit.batch)):
        own = [asked[at] for at in group]
        try:
            made.append(_made(view, editor, [one.case.fact for one in own], watched=not made))
        except (InputError, EditError) as error:
            errors.append(str(error))
            failed.update(group)
            after.examined.extend(before.examined[at] for at in group)
            after.choices.extend(before.choices[at] for at in group)
            continue
        with view.applied(made[-1].edit.deltas):
            found = outcomes(view, own, written, before.limit)
        after.examined.extend(found.examined)
        after.choices.extend(found.choices)
    if not made:
        raise EditError(f"None of the {len(asked)} facts could be edited ({errors[0]}).")
    return {
        "unit": unit.name,
        "editor": json.loads(json.dumps({"editor": editor.name, **settings_of(editor.settled(view))})),
        "facts": len(asked),
        "scores": {
            "generation": _columns(examined_values(before.examined, after.examined), failed),
            "teacher-forced": _columns(choice_values(before.choices, after.choices), failed),
        },
        "seconds_per_edit": round(statistics.median(one.seconds for one in made), 4),
        "peak_bytes": None if made[0].peak is None else float(made[0].peak),
        "neurons": _mean(made, "neurons"),
        "steps": _mean(made, "steps"),
        "failed": len(failed),
        "error": errors[0] if errors else None,
        "device": str(view.device),
        "threads": torch.get_num_threads(),
        "seconds": round(time.monotonic() - began, 3),
    }


def _warm(view: ModelView, editor: Editor, fact: Fact) -> None:
    """An edit that is not counted: behind it, all is known that the editor measures of the unedited model."""
    with suppress(InputError, EditError):
        editor.edit(view, [fact])


def _made(view: ModelView, editor: Editor, facts: Sequence[Fact], watched: bool) -> Made:
    """One edit, timed; its memory is watched where that is asked."""
    found: list[tuple[Edit, float]] = []

    def run() -> None:
        started = time.perf_counter()
        edit = editor.edit(view, facts)
        found.append((edit, time.perf_counter() - started))

    peak = peak_of(run, view.device) if watched else run()
    return Made(*found[0], peak)


def _columns(rows: Sequence[Mapping[str, float]], failed: Collection[int]) -> dict[str, dict[str, list[float | None]]]:
    """Every score's values, one a case that counts in it; None where nothing was edited that could have disturbed."""
    return {
        name: {
            "values": [
                None if at in failed and name in UNTOUCHED else row[name] for at, row in enumerate(rows) if name in row
            ]
        }
        for name in sorted({name for row in rows for name in row})
    }


def _mean(made: Sequence[Made], name: str) -> float | None:
    """The mean of what the edits measured under a name, where it is one number."""
    values = [float(one.edit.measured[name]) for one in made if isinstance(one.edit.measured.get(name), int)]
    return sum(values) / len(values) if values else None

"""One unit of a leaderboard: a method on cases in a regime, asked by every protocol, as results that files hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errata.errors import EditError
from errata.evaluation.protocols import ALREADY, BEFORE, Settings, protocol
from errata.evaluation.results import Header, Results, Row, case_ids
from errata.facts import Case, Examination
from errata.methods import settings_of, versions
from errata.model.view import ModelView
from errata.reproduce.leaderboard.before import Said
from errata.reproduce.leaderboard.plan import SEQUENTIAL, Unit
from errata.reproduce.leaderboard.trial import Glance, sequential, single

HEADLINE = "efficacy"
RIGHT_AFTER, AT_END = "right after", "at the end"
# A sequence is looked at on its way this often.
GLANCES = 10


@dataclass(frozen=True)
class Asked:
    """The cases of a unit, where they came from, how they are asked, and what the unedited model said to each.

    `revision` is a hash over the cases, `weights` over the model's (errata.model.identity).
    """

    cases: Sequence[Examination]
    data: str
    revision: str
    weights: str
    protocols: tuple[str, ...]
    settings: Settings
    before: Sequence[Said]
    command: str


@dataclass(frozen=True)
class Found:
    """The results of a unit right after each edit and at its end (None of single edits), and what its edits took.

    A step is all that is edited at once; `seconds_per_step` is the median. `retained` holds, on the way of a sequence,
    how many cases were edited and the share of them that says the target.
    """

    right_after: Results
    at_end: Results | None
    retained: list[tuple[int, float]]
    seconds_per_step: float
    seconds: float
    error: str | None


def ask(view: ModelView, cases: Sequence[Examination], protocols: Sequence[str], settings: Settings) -> list[Said]:
    """What the model as it now is says to each case, by every protocol."""
    said = {name: protocol(name).ask(view, cases, settings) for name in protocols}
    return [dict(zip(said, answers, strict=True)) for answers in zip(*said.values(), strict=True)]


def measure(view: ModelView, unit: Unit, asked: Asked, at_end: Callable[[], None] | None = None) -> Found:
    """Measure a unit; the model is left as it was. `at_end` is called while it is as the sequence made it.

    Raises EditError where no edit at all could be made.
    """
    editor, regime, began = unit.method.build(), unit.regime, time.monotonic()

    def now(cases: Sequence[Examination]) -> list[Said]:
        return ask(view, cases, asked.protocols, asked.settings)

    def last(cases: Sequence[Examination]) -> list[Said]:
        if at_end is not None:
            at_end()
        return now(cases)

    if regime.kind == SEQUENTIAL:
        marks = [round(part * len(asked.cases) / GLANCES) for part in range(1, GLANCES)]
        glance = _glance(view, asked)
        trial = sequential(view, editor, asked.cases, regime.batch, now, last, glance, marks, unit.name)
    else:
        trial = single(view, editor, asked.cases, regime.batch, now, unit.name)
    if not trial.seconds:
        raise EditError(f"None of the {len(asked.cases)} cases could be edited ({next(iter(trial.failed.values()))}).")
    described = {"editor": editor.name, **settings_of(editor.settled(view))}
    return Found(
        results(view, unit, asked, described, trial.right_after, RIGHT_AFTER, trial.failed),
        None if trial.at_end is None else results(view, unit, asked, described, trial.at_end, AT_END, trial.failed),
        trial.retained,
        round(statistics.median(trial.seconds), 4),
        round(time.monotonic() - began, 3),
        next(iter(trial.failed.values()), None),
    )


def _glance(view: ModelView, asked: Asked) -> Glance:
    """The share of cases that say their target at the edit prompt, by the first protocol."""
    chosen = protocol(asked.protocols[0])
    bare = Settings(asked.settings.limit, 0, asked.settings.endpoint)

    def share(cases: Sequence[Examination]) -> float:
        said = chosen.ask(
            view, [Examination(Case(one.case.fact), aliases=one.aliases, more=one.more) for one in cases], bare
        )
        return statistics.fmean(row[HEADLINE] for row in chosen.measure(said, said))

    return share


def results(
    view: ModelView,
    unit: Unit,
    asked: Asked,
    described: Mapping[str, Any],
    after: Sequence[Said],
    when: str,
    failed: Collection[int] = (),
) -> Results:
    """What was said `after` the edits that `described` made, as results; `failed` are the places of failed edits."""
    by_protocol = {
        name: protocol(name).values([one[name] for one in asked.before], [one[name] for one in after])
        for name in asked.protocols
    }
    names = case_ids(one.case.fact for one in asked.cases)
    rows = [
        _row(name, unit.seed, at in failed, {one: values[at] for one, values in by_protocol.items()})
        for at, name in enumerate(names)
    ]
    settings = {"limit": asked.settings.limit, "written": asked.settings.written}
    kind = unit.regime.kind if unit.regime.batch == 1 or unit.regime.kind == SEQUENTIAL else "batch"
    return Results(
        Header(
            command=asked.command,
            seeds=(unit.seed,),
            versions=versions(),
            model=unit.model,
            weights=asked.weights,
            dtype=str(view.dtype).removeprefix("torch."),
            data=asked.data,
            revision=asked.revision,
            protocols=dict.fromkeys(asked.protocols, settings),
            method=unit.method.name,
            settings=described,
            regime=kind,
            schedule={"batch": unit.regime.batch, "cases": len(asked.cases), "asked": when},
        ),
        tuple(rows),
    )


def _row(case: str, seed: int, failed: bool, values: Mapping[str, Mapping[str, float]]) -> Row:
    """A case's row; what an edit should leave alone says nothing where it failed."""
    before: dict[str, dict[str, float]] = {}
    after: dict[str, dict[str, float]] = {}
    for name, own in values.items():
        left_out = protocol(name).untouched if failed else frozenset()
        before[name] = {key.removesuffix(BEFORE): value for key, value in own.items() if key.endswith(BEFORE)}
        after[name] = {
            key: value
            for key, value in own.items()
            if not key.endswith(BEFORE) and key != ALREADY and key not in left_out
        }
    already = any(own.get(ALREADY) == 1.0 for own in values.values())
    return Row(case, seed, before, after, already, failed)

"""Measure what a report on corrections tells; the model and the ledger are left as they were.

A ledger is asked as it stands against the unedited model. One edit is asked with it and without it, all other applied
edits in force both times but those about the same fact: the difference is what undoing or redoing it makes.
"""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from errata import methods
from errata.deltas import Edit
from errata.errors import CorruptionError, ErrataError
from errata.evaluation.compare import compare
from errata.evaluation.kept import measured_alone
from errata.evaluation.metrics import score
from errata.evaluation.probes import CaseOutcome, probe
from errata.facts import Case, Fact
from errata.ledger import Entry, Ledger
from errata.model.rounding import fold
from errata.model.view import ModelView
from errata.neurons import Attribution
from errata.reports.correction.account import Account, Made, Single, Tested
from errata.reports.correction.course import Course, checkups, course
from errata.reports.correction.prompts import Prompts, Question, apart
from errata.reports.record import Origin, machine, odds, shifts, shown_answers

MOST = 200
LOCALIZER = "knowledge_neurons"

Told = Callable[[str], None]


def measure(
    view: ModelView,
    ledger: Ledger,
    edit: int | None = None,
    given: Iterable[Case] = (),
    most: int = MOST,
    command: str = "",
    told: Told | None = None,
) -> Account:
    """The account of an open ledger, or of one of its edits, applied or undone.

    `given` are cases whose paraphrases and neighbours go before all others; at most `most` facts are asked, drawn with
    seed 0; `command` makes the report again; `told` hears what is done now. Raises LedgerError for an unknown edit.
    """
    work = _Work(view, ledger, told or (lambda _: None))
    return work.ledger(given, most, command) if edit is None else work.edit(edit, given, most, command)


@final
class _Work:
    """One measurement: the model, its ledger, and how long each step took."""

    def __init__(self, view: ModelView, ledger: Ledger, told: Told) -> None:
        self.view, self.book, self.told = view, ledger, told
        self.seconds: dict[str, float] = {}

    def ledger(self, given: Iterable[Case], most: int, command: str) -> Account:
        prompts = Prompts(self.book.meta.model, given)
        everything: list[Question] = []
        edits: list[tuple[int, Edit]] = []
        with self._step("read the edits"):
            for number in self.book.applied:
                one = replace(self.book.edit(number), deltas=(), state={})  # all of them together may be large
                everything += prompts.of(number, one)
                edits.append((number, one))
        questions, overlapping = apart(_drawn(everything, most))
        with self._step("ask the unedited model"), self.view.unedited():
            before = self._ask(questions)
        with self._step("ask the corrected model"):
            after = self._ask(questions)
        columns = _columns(self.view, self.view.weight)
        return self._account(
            questions, before, after, len(everything), overlapping, columns, made(edits), command, None
        )

    def edit(self, number: int, given: Iterable[Case], most: int, command: str) -> Account:
        entry, edit = self.book.show(number)
        everything = list(Prompts(self.book.meta.model, given).of(number, edit))
        questions = _drawn(everything, most)
        rivals, beside = _others(entry, self.book.entries())
        with self.book.holding(beside):
            with self._step("ask without the edit"):
                before = self._ask(questions)
                asked = shown_answers(before[0]) if before and before[0].prompt.answer else []
                odds_before = odds(self.view, asked)
            with self._step("score the neurons"):
                found, why = _located(self.view, before[0] if before else None)
        with self._step("ask with the edit"), self.book.holding((*beside, number)):
            after = self._ask(questions)
            odds_after = odds(self.view, asked)
        moved = shifts(compare(before[0], after[0]), asked, odds_before, odds_after) if asked else ()
        deltas = {layer: [one for one in edit.deltas if one.layer == layer] for layer in entry.layers}
        columns = _columns(self.view, lambda layer: fold(self.view.base_weight(layer), deltas.get(layer, [])))
        single = Single(entry, edit, beside, rivals, moved, found, why)
        whole = made([(number, edit)])
        return self._account(questions, before, after, len(everything), 0, columns, whole, command, single)

    def _account(
        self,
        questions: Sequence[Question],
        before: Sequence[CaseOutcome],
        after: Sequence[CaseOutcome],
        targets: int,
        overlapping: int,
        columns: Tensor,
        by: tuple[Made, ...],
        command: str,
        single: Single | None,
    ) -> Account:
        book, number = self.book, None if single is None else single.entry.id
        pairs = zip(questions, before, after, strict=True)
        with self._step("check every fingerprint"):
            checked = book.verify()
        with self._step("follow the log"):
            way = _course(self.view, book)
            layers = book.diff() if number is None else book.diff(number)
        return Account(
            meta=book.meta,
            directory=str(book.path),
            entries=book.entries(),
            tested=tuple(Tested(question, compare(was, now)) for question, was, now in pairs),
            scores=score(before, after),
            targets=targets,
            overlapping=overlapping,
            columns=columns,
            layers=layers,
            made=by,
            checked=checked,
            course=way,
            checkups=checkups(book.path, book.applied),
            origin=self._origin(command or equivalent(book.path, number)),
            single=single,
        )

    def _origin(self, command: str) -> Origin:
        return Origin(
            model=self.view.name,
            dtype=str(self.view.dtype).removeprefix("torch."),
            fingerprint=self.view.model_fingerprint(),
            command=command,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine(),
            seconds=self.seconds,
        )

    def _ask(self, questions: Sequence[Question]) -> list[CaseOutcome]:
        return probe(self.view, [question.case for question in questions])

    @contextmanager
    def _step(self, name: str) -> Generator[None]:
        self.told(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def equivalent(ledger: Path, edit: int | None) -> str:
    """The command that makes a report of this ledger again."""
    return shlex.join(
        ["errata", "report", "report.html", "--ledger", str(ledger), *([] if edit is None else ["--edit", str(edit)])]
    )


def made(edits: Iterable[tuple[int, Edit]]) -> tuple[Made, ...]:
    """The edits by method, settings and versions, in the order of their first."""
    groups: dict[str, list[tuple[int, Edit]]] = {}
    for number, edit in edits:
        groups.setdefault(repr((edit.method, dict(edit.settings), dict(edit.versions))), []).append((number, edit))
    return tuple(
        Made(first.method, first.settings, first.versions, tuple(number for number, _ in own), measured_alone(first))
        for own in groups.values()
        for first in [own[0][1]]
    )


def _drawn(questions: list[Question], most: int) -> list[Question]:
    """At most so many questions, in order."""
    if len(questions) <= most:
        return questions
    return [questions[place] for place in sorted(random.Random(0).sample(range(len(questions)), most))]


def _others(entry: Entry, entries: Sequence[Entry]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the other applied edits those about the same facts, and the rest."""
    keys = {fact.key for fact in entry.facts}
    others = [other for other in entries if other.applied and other.id != entry.id]
    rivals = tuple(other.id for other in others if keys & {fact.key for fact in other.facts})
    return rivals, tuple(other.id for other in others if other.id not in rivals)


def _located(view: ModelView, before: CaseOutcome | None) -> tuple[Attribution | None, str]:
    """The neurons' scores for the answer to the edit prompt; where there are none, why."""
    if before is None:
        return None, "the edit names no target, so no answer was asked for"
    fact, answer = before.case.fact, before.prompt.answer
    if not answer:
        return None, f"the model gave no answer to “{fact.text}” before the edit"
    try:
        asked = Fact(fact.subject, fact.prompt, answer=answer)
        return methods.localizer(LOCALIZER).attribute(view, [asked])[0], ""
    except ErrataError as error:
        return None, f"the answer cannot be attributed: {error}"


def _course(view: ModelView, ledger: Ledger) -> Course | None:
    try:
        return course(view, ledger)
    except CorruptionError:  # of an edit that is not applied: what `verify` found says so
        return None


@torch.no_grad()
def _columns(view: ModelView, weight: Callable[[int], Tensor]) -> Float[Tensor, "layers d_ff"]:
    """‖(W − W₀)[:, i]‖ of every neuron; a layer narrower than the widest ends in zeros."""
    found = torch.zeros(view.n_layers, max(one.d_ff for one in view.structure.projections))
    for layer in range(view.n_layers):
        norms = torch.linalg.vector_norm(weight(layer).float() - view.base_weight(layer).float(), dim=0)
        found[layer, : len(norms)] = norms.cpu()
    return found

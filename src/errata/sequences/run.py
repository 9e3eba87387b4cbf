"""Edit a sequence of cases step by step, with checkups on the way; what is done is passed over.

A step computes one edit for `batch` cases from the weights and the history it finds, writes it to the book, and scores
its cases. A case whose target the model says already is left out. A step that cannot be edited, or whose edit the book
refuses since it changes no weight or makes one infinite, is reported and the next one tried. Every edit records which
cases its step went through, so that a run that was interrupted goes on behind the last step in force, and its edits are
those of a run that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast, final

from errata.deltas import Edit
from errata.errors import ConflictError, EditError, InputError, RefusedEditError
from errata.evaluation.kept import keep
from errata.evaluation.probes import answers, reach
from errata.facts import Case
from errata.methods import Editor
from errata.model.phrases import says
from errata.model.view import ModelView
from errata.scores import Scores
from errata.sequences.battery import Battery
from errata.sequences.book import Book
from errata.sequences.checkup import Before, Checkup, before, checkup, just_edited
from errata.sequences.health import Health

RECORD = "sequence"


@dataclass(frozen=True, slots=True)
class Step:
    """The cases [first, end): the edit's id and scores directly after it, the cases that were so already, the failure.

    `edit` is None where there was nothing to edit or the edit failed; then `error` says why.
    """

    first: int
    end: int
    edit: int | None = None
    scores: Scores | None = None
    already: tuple[int, ...] = ()
    error: str | None = None


def run(
    view: ModelView,
    editor: Editor,
    battery: Battery,
    batch: int,
    book: Book,
    every: int | Sequence[int],
    health: Health | None = None,
    unedited: Before | None = None,
    earlier: Sequence[Checkup] = (),
    told: Callable[[Step], None] | None = None,
) -> Iterator[Checkup]:
    """Checkups after every `every` cases, or at the numbers listed, and at the end, or at the first alarm.

    `unedited` is what `before` found, and has to be given when the book holds edits; `earlier` are the checkups of the
    run that is continued; `told` hears of every step.
    A method that makes an edit at the end of a sequence makes it there for good, and at each checkup for its length.

    Raises InputError for a batch or an interval below one, ConflictError where an edit in force gives a case's subject
    and relation another target.
    """
    if batch < 1:
        raise InputError(f"A step of {batch} facts is none: give a batch of 1 or more.")
    marks = (every,) if isinstance(every, int) else tuple(every)
    if any(mark < 1 for mark in marks) or list(marks) != sorted(set(marks)):
        raise InputError(f"Checkups cannot come at {', '.join(map(str, marks))}: give rising numbers from 1.")
    if unedited is None and book.entries():
        raise InputError("The book holds edits already: ask the model before them, and pass the answers as unedited.")
    covered = _covered(battery.cases, book)
    start = _start(covered, book)
    run = _Run(view, editor, battery, book, covered, unedited or before(view, battery), told)
    rows = [row for row in earlier if row.done <= start]
    return _rows(run, batch, every, health or Health.off(), start, rows)


def _rows(
    run: _Run, batch: int, every: int | Sequence[int], health: Health, start: int, rows: list[Checkup]
) -> Iterator[Checkup]:
    last, count = max((row.done for row in rows), default=0), len(run.battery.cases)
    right_after: list[Scores] = []
    for first in range(start, count, batch):
        end = min(first + batch, count)
        step = run.step(first, end)
        if step.scores is not None:
            right_after.append(step.scores)
        if end < count and _due(every, last, end):
            rows.append(run.check(end, last, right_after))
            last, right_after = end, []
            yield rows[-1]
            if health.judge(rows) is not None:
                return
    if run.close() or last < count:
        yield run.check(count, min(last, count), right_after, closed=True)


def _due(every: int | Sequence[int], last: int, end: int) -> bool:
    """Whether a checkup's number lies in (last, end]."""
    if isinstance(every, int):
        return end // every > last // every
    return any(last < mark <= end for mark in every)


def _covered(cases: Sequence[Case], book: Book) -> dict[int, int]:
    """The cases that edits in force are about, with those edits' ids."""
    places = {case.fact.key: at for at, case in enumerate(cases)}
    found: dict[int, int] = {}
    for number, facts in book.entries():
        for fact in facts:
            at = places.get(fact.key)
            if at is None:
                continue
            if fact.target != cases[at].fact.target:
                raise ConflictError(
                    f"Fact {at + 1} of the sequence and applied edit {number} are both about {' / '.join(fact.key)}: "
                    "undo that edit first, or take the fact out of the sequence.",
                    (number,),
                )
            found[at] = number
    return found


def _start(covered: Mapping[int, int], book: Book) -> int:
    """Behind the last step of the sequence that is in force: 0 where there is none."""
    for at in sorted(covered, reverse=True):
        record = book.edit(covered[at]).measured.get(RECORD)
        if isinstance(record, Mapping):
            first, end = (cast(Mapping[str, Any], record).get(name) for name in ("first", "end"))
            if isinstance(first, int) and isinstance(end, int) and first <= at < end:
                return end
    return 0


@final
class _Run:
    def __init__(
        self,
        view: ModelView,
        editor: Editor,
        battery: Battery,
        book: Book,
        covered: Mapping[int, int],
        unedited: Before,
        told: Callable[[Step], None] | None,
    ) -> None:
        self.view, self.editor, self.battery, self.book = view, editor, battery, book
        self.covered, self.unedited, self.told = covered, unedited, told

    def step(self, first: int, end: int) -> Step:
        """Edit the cases [first, end) that need it."""
        found = self._step(first, end)
        if self.told is not None:
            self.told(found)
        return found

    def _step(self, first: int, end: int) -> Step:
        places = range(first, end)
        already = tuple(at for at in places if at in self.covered) + self._said(
            [at for at in places if at not in self.covered]
        )
        wanted = [at for at in places if at not in already]
        if not wanted:
            return Step(first, end, already=already)
        try:
            edit = self.editor.edit(self.view, [self.battery.cases[at].fact for at in wanted], self.book.history())
            record = {RECORD: {"first": first, "end": end}}
            edit = keep(edit, [self.battery.cases[at] for at in wanted])
            number = self.book.apply(replace(edit, measured={**edit.measured, **record}))
        except (InputError, EditError, RefusedEditError) as error:
            return Step(first, end, already=already, error=str(error))
        scores = just_edited(self.view, [self.unedited.outcomes[at] for at in wanted])
        return Step(first, end, number, scores, already)

    def _said(self, places: Sequence[int]) -> tuple[int, ...]:
        """The cases whose target the model says already."""
        facts = [self.battery.cases[at].fact for at in places]
        texts = answers(self.view, [fact.text for fact in facts], until=reach(fact.target or "" for fact in facts))
        rows = zip(places, facts, texts, strict=True)
        return tuple(at for at, fact, text in rows if says(text, fact.target or ""))

    def close(self) -> bool:
        """Make the edit that ends the sequence, unless there is none or it is made."""
        entries = self.book.entries()
        if not entries or not entries[-1][1]:
            return False
        edit = self.editor.close(self.view, self.book.history())
        if edit is not None:
            self.book.apply(edit)
        return edit is not None

    def check(self, done: int, since: int, right_after: Sequence[Scores], closed: bool = False) -> Checkup:
        """A checkup here, with the edit that would end the sequence at this point."""
        history = self.book.history()
        edits: list[Edit] = list(history)
        entries = self.book.entries()
        closing = None if closed or not entries else self.editor.close(self.view, history)
        with nullcontext() if closing is None else self.view.applied(closing.deltas):
            return checkup(
                self.view,
                self.battery,
                self.unedited,
                done,
                since,
                edits,
                entries[-1][0] if entries else None,
                right_after,
            )

"""One method on some cases: each group on the unedited model, or one group behind the other in one model.

What is asked, and by which protocol, `ask` knows; here is only when: right after a group's edit of its cases, at the
end of a sequence of all its cases, and on the way of those edited so far (`glance`, which asks less).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tqdm.auto import tqdm

from errata.deltas import Edit
from errata.errors import EditError, InputError, LedgerError
from errata.facts import Examination
from errata.methods import Editor
from errata.model.view import ModelView
from errata.sequences import Scratch

Answers = TypeVar("Answers")
Ask = Callable[[Sequence[Examination]], Sequence[Answers]]
Glance = Callable[[Sequence[Examination]], float]


@dataclass(frozen=True)
class Trial(Generic[Answers]):
    """What was said of every case, in their order; which cases' edits failed and why; the seconds of every step.

    `at_end` is None of single edits; `retained` holds, on the way of a sequence, the cases edited and what `glance`
    gave of them.
    """

    right_after: list[Answers]
    at_end: list[Answers] | None = None
    retained: list[tuple[int, float]] = field(default_factory=list)
    failed: Mapping[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def single(
    view: ModelView, editor: Editor, cases: Sequence[Examination], batch: int, ask: Ask[Answers], title: str = ""
) -> Trial[Answers]:
    """Every group of `batch` cases on the unedited model; the cases of a failed edit are asked without it."""
    said: list[Answers] = []
    failed, seconds = dict[int, str](), list[float]()
    for places in _groups(len(cases), batch, title):
        own = [cases[at] for at in places]
        with Scratch(view) as book:
            _step(view, editor, book, places, own, failed, seconds)
            with _closed(view, editor, book):
                said += ask(own)
    return Trial(said, failed=failed, seconds=seconds)


def sequential(
    view: ModelView,
    editor: Editor,
    cases: Sequence[Examination],
    batch: int,
    ask: Ask[Answers],
    ask_at_end: Ask[Answers],
    glance: Glance,
    marks: Sequence[int],
    title: str = "",
) -> Trial[Answers]:
    """Groups of `batch` cases in one model, in their order; `glance` at those done whenever a mark is reached."""
    said: list[Answers] = []
    failed, seconds, retained = dict[int, str](), list[float](), list[tuple[int, float]]()
    with Scratch(view) as book:
        for places in _groups(len(cases), batch, title):
            own = [cases[at] for at in places]
            _step(view, editor, book, places, own, failed, seconds)
            with _closed(view, editor, book):
                said += ask(own)
                if any(places.start < mark <= places.stop for mark in marks):
                    retained.append((places.stop, glance(cases[: places.stop])))
        with _closed(view, editor, book):
            return Trial(said, list(ask_at_end(cases)), retained, failed, seconds)


def _groups(count: int, batch: int, title: str) -> tqdm[range]:
    places = [range(at, min(at + batch, count)) for at in range(0, count, batch)]
    return tqdm(places, desc=title, unit="edit", leave=False, disable=None)


def _step(
    view: ModelView,
    editor: Editor,
    book: Scratch,
    places: range,
    own: Sequence[Examination],
    failed: dict[int, str],
    seconds: list[float],
) -> None:
    """Edit the group's facts and write it down; a failure is noted for every case of the group."""
    began = time.perf_counter()
    try:
        edit = editor.edit(view, [fact for one in own for fact in one.facts], book.history())
        seconds.append(time.perf_counter() - began)
        book.apply(edit)
    except (InputError, EditError, LedgerError) as error:
        failed.update(dict.fromkeys(places, str(error)))


@contextmanager
def _closed(view: ModelView, editor: Editor, book: Scratch) -> Generator[Edit | None]:
    """Inside, the edit that would end the sequence here is in the model, where the method makes one."""
    closing = editor.close(view, book.history()) if book.entries() else None
    with view.applied(() if closing is None else closing.deltas):
        yield closing

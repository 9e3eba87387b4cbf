"""The ledger's history: what is applied, read when asked for, folded on from call to call."""

from pathlib import Path

import pytest

from errata.deltas import Edit
from errata.history import History
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.ledger.conftest import random_edit


def subjects(history: History, steps: list[str]) -> tuple[str, ...]:
    def step(state: tuple[str, ...], edit: Edit) -> tuple[str, ...]:
        steps.append(edit.facts[0].subject)
        return (*state, edit.facts[0].subject)

    return history.fold("subjects", tuple, step)


def named(*numbers: int) -> tuple[str, ...]:
    return tuple(f"Subject {number}" for number in numbers)


def test_a_fold_goes_on_after_apply_and_begins_anew_after_undo(view: ModelView, tmp_path: Path) -> None:
    steps: list[str] = []
    with Ledger.open(tmp_path, view) as ledger:
        assert subjects(ledger.history(), steps) == ()
        for number in (1, 2, 3):
            ledger.apply(random_edit(view, number))
            assert subjects(ledger.history(), steps) == named(*range(1, number + 1))
        assert steps == list(named(1, 2, 3))
        assert ledger.history() is ledger.history()
        before = ledger.history()
        ledger.undo(2)
        assert [edit.facts[0].subject for edit in ledger.history()] == list(named(1, 3))
        assert subjects(ledger.history(), steps) == named(1, 3)
        assert subjects(before, steps) == named(1, 2, 3)
        ledger.redo(2)
        assert subjects(ledger.history(), steps) == named(1, 2, 3)
        ledger.undo_to(1)
        assert subjects(ledger.history(), steps) == named(1)
        ledger.undo_to(0)
        assert len(ledger.history()) == 0


def test_edits_are_read_when_asked_for(view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(tmp_path, view) as ledger:
        for number in range(1, 5):
            ledger.apply(random_edit(view, number))
        read: list[int] = []
        load = ledger._store.load
        monkeypatch.setattr(ledger._store, "load", lambda entry: (read.append(entry.id), load(entry))[1])
        history = ledger.history()
        longer = history.then(random_edit(view, 9))
        assert (len(history), len(longer)) == (4, 5)
        read.clear()  # the tests' check of types has looked at one of them
        assert next(iter(history)).to_bytes() == load(ledger.entries()[0]).to_bytes()
        assert read == [1]
        assert subjects(longer, []) == named(1, 2, 3, 4, 9)


def test_edits_of_another_process_are_in_the_history(view: ModelView, tmp_path: Path) -> None:
    steps: list[str] = []
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 1))
        assert subjects(ledger.history(), steps) == named(1)
        with Ledger.open(tmp_path, view) as other:
            other.apply(random_edit(view, 2))
        assert subjects(ledger.history(), steps) == named(1, 2)
        assert steps == list(named(1, 2))

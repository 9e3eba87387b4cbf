"""Ctrl-C at any line of a change: the ledger goes on, with the change or without it, and the weights are its log's."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import errata
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.faults.conftest import Counted
from tests.ledger.conftest import random_edit

SOURCE = Path(errata.__file__).parent
TRACED = tuple(map(str, (SOURCE / "ledger", SOURCE / "model" / "view.py")))


def interrupted(change: Callable[[], object], at: int) -> int:
    """Make a change and press Ctrl-C at a line of the ledger's code; the number of lines that were gone through."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            lines += 1
            if lines == at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        change()
    except KeyboardInterrupt:
        assert lines == at
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("every", [pytest.param(37, id="few"), pytest.param(5, id="many", marks=pytest.mark.faults)])
@pytest.mark.parametrize("verb", ["apply", "supersede", "undo", "redo"])
def test_at_any_line(view: ModelView, tmp_path: Path, counted: Counted, verb: str, every: int) -> None:
    with Ledger.open(tmp_path, view) as ledger:
        for seed in range(3):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
        made, at = 0, 1
        while True:
            seed = 100 + made
            subject = f"Subject {seed}" if verb == "apply" else "Subject 0"
            change: dict[str, Callable[[], object]] = {
                "apply": lambda seed=seed, subject=subject: ledger.apply(
                    random_edit(view, seed, (1,), subject=subject)
                ),
                "supersede": lambda seed=seed: ledger.apply(random_edit(view, seed, (1,), subject="Subject 0"), True),
                "undo": lambda: ledger.undo(3),
                "redo": lambda: ledger.redo(2),
            }
            events = len(ledger.events())
            lines = interrupted(change[verb], at)
            assert len(ledger.events()) - events in {"apply": (0, 1), "supersede": (0, 2)}.get(verb, (0, 1))
            report = ledger.verify()
            assert report.ok, (at, report.problems)
            if verb == "undo" and 3 not in ledger.applied:
                ledger.redo(3)
            if verb == "redo" and 2 in ledger.applied:
                ledger.undo(2)
            if lines < at:  # it was over before
                break
            made, at = made + 1, at + every
        assert made > 5
        ledger.apply(random_edit(view, 99))
        assert ledger.verify().ok
    counted("interruptions survived", made)

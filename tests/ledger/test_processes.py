"""Two processes on one ledger, and one that is killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.errors import ConflictError, LedgerError
from errata.ledger import Ledger, database, store
from errata.model.view import ModelView
from tests.ledger.conftest import bits, equal, random_edit

Tiny = Callable[..., ModelView]


def test_changes_of_another_process_are_taken_up(tiny: Tiny, tmp_path: Path) -> None:
    one, two = tiny("gpt2"), tiny("gpt2")
    with Ledger.open(tmp_path, one) as first, Ledger.open(tmp_path, two) as second:
        first.apply(random_edit(one, 0))
        assert second.applied == (1,)
        assert not second.verify().ok
        with pytest.raises(ConflictError):
            second.apply(random_edit(two, 0))
        second.apply(random_edit(two, 1, (1,)))
        assert second.verify().ok
        first.refresh()
        assert equal(bits(one), bits(two))
        second.undo(1)
        first.undo(2)
        assert first.verify().ok
        second.refresh()
        assert equal(bits(one), bits(two))


def test_a_busy_ledger_says_so(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    view = tiny("gpt2")
    with Ledger.open(tmp_path, view) as ledger:
        other = store.Store.open(tmp_path, None)
        before = bits(view)
        with other.transaction(), pytest.raises(LedgerError, match="being written by another process"):
            ledger.apply(random_edit(view, 0))
        other.close()
        assert equal(bits(view), before)
        assert ledger.apply(random_edit(view, 0)) == 1


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _commit_and_die(self: store.Store, commit: Callable[[store.Store], None] = store.Store.commit) -> None:
    commit(self)
    _die()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, which this system does not have")
@pytest.mark.parametrize(
    ("owner", "name", "end", "expected"),
    [
        (store, "write_durably", _die, 1),
        (store.Store, "log", _die, 1),
        (store.Store, "commit", _die, 1),
        (store.Store, "commit", _commit_and_die, 2),
    ],
)
def test_a_killed_process_leaves_all_of_an_edit_or_none(
    view: ModelView, tiny: Tiny, tmp_path: Path, owner: object, name: str, end: Callable[..., None], expected: int
) -> None:
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            ledger = Ledger.open(tmp_path, view)
            ledger.apply(random_edit(view, 0))
            setattr(owner, name, end)
            ledger.apply(random_edit(view, 1))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    reader = tiny("gpt2")
    with Ledger.open(tmp_path, reader, create=False) as ledger:
        assert ledger.applied == tuple(range(1, expected + 1))
        assert ledger.verify().ok
        assert ledger.apply(random_edit(reader, 2)) == expected + 1
        assert ledger.verify().ok

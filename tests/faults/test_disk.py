"""A full disk, one that is read-only, files that vanish and clocks that jump: refused clearly, and nothing is lost."""

import errno
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errata.errors import CorruptionError, InputError, LedgerError
from errata.export import merged, peft_adapter
from errata.ledger import Ledger, records, store
from errata.ledger.store import Store
from errata.model.view import ModelView
from tests.faults.conftest import Counted
from tests.faults.killing import touches_disk
from tests.faults.places import read_only, small_disk
from tests.ledger.conftest import bits, contents, equal, random_edit
from tests.tiny import tiny

ROOMS = (0, 4096, 8192, 12288)  # bytes; an export needs more


def leave(disk: Path, room: int) -> None:
    """Fill a disk but for so many bytes."""
    (disk / "ballast").unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    if free > room:
        (disk / "ballast").write_bytes(bytes(free - room))


def test_a_full_disk(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    """Whatever room there is, a change is made or refused, with the reason; what was there stays and can be read."""
    refused = made = 0
    with small_disk(tmp_path / "disk", 2**21) as disk, Ledger.open(disk / "ledger", view) as ledger:
        for seed in range(3):
            ledger.apply(random_edit(view, seed))
        for number, room in enumerate([*range(0, 80_000, 4096), 2**20]):
            leave(disk, room)
            steps: list[Callable[[], object]] = [
                lambda number=number: ledger.apply(random_edit(view, 10 + number, rank=4)),
                lambda: (ledger.undo if 1 in ledger.applied else ledger.redo)(1),
            ]
            for step in steps:
                before = bits(view), ledger.entries(), ledger.events()
                try:
                    step()
                    made += 1
                except LedgerError as error:
                    assert re.search(r"(full|No space).* room", str(error)), error
                    assert equal(bits(view), before[0])
                    assert (ledger.entries(), ledger.events()) == before[1:]
                    refused += 1
                report = ledger.verify()
                assert report.ok, report.problems
            reader = tiny("gpt2")
            with Ledger.open(disk / "ledger", reader, create=False) as again:
                assert again.entries() == ledger.entries() and equal(bits(reader), bits(view))
        assert refused >= 5 and made >= 5
        left = [path.name for path in (disk / "ledger" / "deltas").iterdir() if path.suffix == ".tmp"]
        assert left == []
    counted("changes on a full disk made or refused", refused + made)


@pytest.mark.parametrize("write", [peft_adapter.write, merged.write])
def test_an_export_to_a_full_disk(
    view: ModelView,
    tmp_path: Path,
    counted: Counted,
    write: Callable[..., Any],
) -> None:
    """It says that there is no room, and leaves nothing; the export that was to give way is still there."""
    with small_disk(tmp_path / "disk", 2**21) as disk, Ledger.open(tmp_path / "ledger", view) as ledger:
        ledger.apply(random_edit(view, 0))
        peft_adapter.write(view, ledger, disk / "out", cases=())
        there = contents(disk / "out")
        ledger.apply(random_edit(view, 1))
        state = bits(view)
        for room in ROOMS:
            leave(disk, room)
            with pytest.raises(InputError, match=r"No space left.*make room"):
                write(view, ledger, disk / "out", cases=(), overwrite=True)
            assert contents(disk / "out") == there
            assert {path.name for path in disk.iterdir()} == {"out", "ballast"}
            assert equal(bits(view), state)
    counted("exports to a full disk refused", len(ROOMS))


def test_a_full_database(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    """SQLite's own error, at a statement or at the commit, on every system."""
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
        connection = ledger._store._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        refused = 0
        for seed in range(1, 25):
            before = bits(view), contents(tmp_path)
            try:
                ledger.apply(random_edit(view, seed))
            except LedgerError as error:
                assert "make room on the disk" in str(error)
                assert equal(bits(view), before[0]) and contents(tmp_path) == before[1]
                refused += 1
            assert ledger.verify().ok
        assert refused
        connection.execute("PRAGMA max_page_count = 100000")
        ledger.apply(random_edit(view, 99))
        assert ledger.verify().ok
    counted("changes on a full disk made or refused", 24)


def test_a_commit_that_reports_an_error_though_it_is_durable(
    view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the directory cannot be synced behind it, or Ctrl-C comes while it is being written."""
    run = Store._run

    def then(failure: BaseException) -> Callable[..., None]:
        def report(self: Store, statement: str, values: tuple[object, ...] = ()) -> None:
            run(self, statement, values)
            if statement == "COMMIT":
                raise failure

        return report

    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
        for number, failure in enumerate([LedgerError("disk I/O error"), KeyboardInterrupt()], start=1):
            with monkeypatch.context() as patch:
                patch.setattr(Store, "_run", then(failure))
                with pytest.raises(type(failure)):
                    ledger.apply(random_edit(view, number))
            assert ledger.applied == tuple(range(1, number + 2))
            assert ledger.verify().ok, "the weights are what the log says"
    with Ledger.open(tmp_path, tiny("gpt2")) as ledger:
        assert ledger.applied == (1, 2, 3) and ledger.verify().ok


CALLS = [(os, "fsync", 1), (os, "fsync", 2), (os, "open", 1), (Path, "open", 1), (Path, "replace", 1)]


@pytest.mark.parametrize(("owner", "name", "nth"), CALLS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_call_of_the_system_that_fails(
    view: ModelView,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: Counted,
    owner: object,
    name: str,
    nth: int,
    code: int,
) -> None:
    """The calls that write an edit's file: the file, its bytes, its name, the directory."""
    real, calls = getattr(owner, name), itertools.count(1)

    def fail(*values: Any, **named: Any) -> Any:
        if next(calls) == nth:
            raise OSError(code, os.strerror(code))
        return real(*values, **named)

    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
        before = bits(view), contents(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(LedgerError, match=os.strerror(code)):
                ledger.apply(random_edit(view, 1))
        assert equal(bits(view), before[0]) and contents(tmp_path) == before[1]
        assert ledger.verify().ok
        ledger.apply(random_edit(view, 1))
    counted("calls of the system that failed", 1)


def test_nothing_can_be_written(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    """A ledger on a medium that is read-only is read, and says why it cannot be changed."""
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        for seed in range(3):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
        expected, state = ledger.entries(), bits(view)
    view.restore()
    refused = 0
    with read_only(tmp_path / "ledger") as place, Ledger.open(place, view) as ledger:
        assert ledger.entries() == expected and equal(bits(view), state) and ledger.verify().ok
        changes: list[Callable[[], object]] = [
            lambda: ledger.apply(random_edit(view, 9)),
            lambda: ledger.undo(1),
            lambda: ledger.redo(2),
            lambda: ledger.undo_to(0),
        ]
        for change in changes:
            with pytest.raises(LedgerError, match=r"read-?only.*copy it|allows it"):
                change()
            assert equal(bits(view), state) and ledger.entries() == expected and ledger.verify().ok
            refused += 1
    (tmp_path / "empty").mkdir()
    with read_only(tmp_path / "empty") as place, pytest.raises(LedgerError):
        Ledger.open(place / "ledger", view)
    counted("changes where nothing may be written refused", refused + 1)


def test_the_database_alone_holds_what_was_acknowledged(view: ModelView, tmp_path: Path) -> None:
    """A copy made between two changes needs no file beside ledger.sqlite but the edits."""
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        for seed in range(4):
            ledger.apply(random_edit(view, seed))
            assert {path.name for path in ledger.path.iterdir()} <= {"ledger.sqlite", "deltas", "sums"}
            copy = tmp_path / f"copy {seed}"
            shutil.copytree(ledger.path / "deltas", copy / "deltas")
            shutil.copy(ledger.path / "ledger.sqlite", copy)
            reader = tiny("gpt2")
            with Ledger.open(copy, reader, create=False) as again:
                assert again.entries() == ledger.entries() and equal(bits(reader), bits(view))


def test_files_that_vanish_while_the_ledger_is_open(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        for seed in range(3):
            ledger.apply(random_edit(view, seed))
        state, path = bits(view), ledger.path
        delta = sorted((path / "deltas").iterdir())[1]
        delta.rename(tmp_path / "delta")
        with pytest.raises(CorruptionError, match=r"Edit 2 cannot be read .* put the file back"):
            ledger.undo(1)
        assert equal(bits(view), state) and ledger.applied == (1, 2, 3)
        assert ledger.verify().edits == (2,)
        with pytest.raises(CorruptionError, match="Edit 2"):
            Ledger.open(path, tiny("gpt2"))
        (tmp_path / "delta").rename(delta)
        assert ledger.verify().ok

        (path / "ledger.sqlite").rename(tmp_path / "ledger.sqlite")
        for change in (lambda: ledger.apply(random_edit(view, 9)), lambda: ledger.undo(1)):
            with pytest.raises(LedgerError):
                change()
            assert equal(bits(view), state)
        assert len([*(path / "deltas").iterdir()]) == 3
        with pytest.raises(LedgerError, match=r"holds edits but ledger\.sqlite is gone: put it back"):
            Ledger.open(path, tiny("gpt2"))
        (tmp_path / "ledger.sqlite").rename(path / "ledger.sqlite")
    with Ledger.open(path, view) as ledger:
        assert ledger.applied == (1, 2, 3) and equal(bits(view), state) and ledger.verify().ok
        path.rename(tmp_path / "moved")
        with pytest.raises(LedgerError):
            ledger.apply(random_edit(view, 9))
        assert equal(bits(view), state) and not path.exists()
        (tmp_path / "moved").rename(path)
    counted("files that vanished noticed", 4)


def test_a_folder_that_a_copy_left_out(view: ModelView, tmp_path: Path) -> None:
    """Git, for one, keeps no empty directories; sums are kept anew."""
    Ledger.open(tmp_path, view).close()
    (tmp_path / "deltas").rmdir()
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
        assert ledger.verify().ok


def test_a_clock_that_jumps(view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Counted) -> None:
    """Order is that of ids; times are what the clock said."""
    clock = itertools.cycle(f"{year}-01-01T00:00:00.000+00:00" for year in (2038, 1970, 2026, 9999, 1969))
    told: list[str] = []

    def jump() -> str:
        told.append(next(clock))
        return told[-1]

    monkeypatch.setattr(records, "now", jump)
    monkeypatch.setattr(store, "now", jump)
    with Ledger.open(tmp_path / "jumping", view) as ledger:
        for seed in range(5):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
        ledger.apply(random_edit(view, 0, (1,)), supersede=True)
        ledger.redo(2)
        assert [event.kind for event in ledger.events()] == [*["apply"] * 5, "undo", "apply", "supersede", "redo"]
        times = [event.at for event in ledger.events()]
        assert times != sorted(times) and set(times) <= set(told)
        assert ledger.applied == (2, 3, 4, 5, 6) and ledger.verify().ok
        jumping = bits(view)
    view.restore()
    monkeypatch.undo()
    with Ledger.open(tmp_path / "steady", view) as ledger:
        for edit in (1, 2, 3, 4):
            ledger.apply(random_edit(view, edit))
        ledger.apply(random_edit(view, 0, (1,)))
        assert equal(bits(view), jumping)
    counted("changes under a clock that jumps", 8)


def test_an_edit_is_on_the_disk_before_the_row_that_names_it(view: ModelView, tmp_path: Path) -> None:
    """The order that a power cut needs: file, its name, then the commit, each synced."""
    calls: list[str] = []

    def listen(frame: object, event: str, function: Any) -> None:
        if event == "c_call" and touches_disk(function):
            calls.append(function.__name__)

    with Ledger.open(tmp_path, view) as ledger:
        connection = ledger._store._connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        sys.setprofile(listen)
        ledger.apply(random_edit(view, 0))
        sys.setprofile(None)
    calls = [name for name in calls if name in ("fsync", "replace", "execute")]
    file = calls.index("fsync")
    assert calls[file : file + 3] == ["fsync", "replace", "fsync"], "the file, its name, the directory"
    assert "fsync" not in calls[file + 3 :] and calls[-1] == "execute"

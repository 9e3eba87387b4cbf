"""Kept sums save time and decide nothing: gone, damaged, stale or of others, the weights are the same."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.errors import CorruptionError
from errata.ledger import Ledger, blocks, layers, store, sums
from errata.model.view import ModelView
from tests.ledger.conftest import bits, equal, random_edit

Tiny = Callable[..., ModelView]
EDITS, SUM = 14, 64 + 4 * 32 * 64  # bytes of a sum of the tiny model


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four edits, and every sum worth keeping."""
    monkeypatch.setattr(blocks, "BLOCK", 4)
    monkeypatch.setattr(layers, "BLOCK_WORTH", 1)
    monkeypatch.setattr(layers, "HEAD_WORTH", 1)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The edits that are read for a sum, in turn."""
    found: list[int] = []
    load = store.Store.load

    def noted(self: store.Store, entry: store.Entry) -> object:
        found.append(entry.id)
        return load(self, entry)

    monkeypatch.setattr(store.Store, "load", noted)
    return found


@pytest.fixture
def path(view: ModelView, tmp_path: Path) -> Path:
    """A ledger of fourteen edits on layers 0 and 2, closed."""
    fill(view, tmp_path / "ledger")
    return tmp_path / "ledger"


def fill(view: ModelView, path: Path, first: int = 1) -> None:
    with Ledger.open(path, view) as ledger:
        for number in range(first, first + EDITS):
            ledger.apply(random_edit(view, number))


def expected(view: ModelView, path: Path, tmp_path: Path, undone: int | None = None) -> dict[str, torch.Tensor]:
    """The bits of a ledger without any kept sum."""
    shutil.copytree(path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "sums")
    view.restore()
    with Ledger.open(tmp_path / "bare", view) as ledger:
        if undone is not None:
            ledger.undo(undone)
        found = bits(view)
    view.restore()
    return found


def test_sums_are_kept_and_used(view: ModelView, path: Path, tmp_path: Path, reads: list[int]) -> None:
    kept = [f"{layer:03d}-{block}" for layer in (0, 2) for block in ("00000", "00001", "00002", "head")]
    assert sorted(file.stem for file in (path / "sums").iterdir()) == kept
    wanted = expected(view, path, tmp_path, undone=2)
    reads.clear()
    with Ledger.open(path, view) as ledger:
        assert reads == [13, 14]  # the last block: the head is kept
        reads.clear()
        ledger.undo(2)
        assert reads == [1, 3, 4]  # one block: the others are kept
        assert equal(bits(view), wanted)
        reads.clear()
        ledger.apply(random_edit(view, 50))
        assert reads == [15]
        ledger.undo(15)
        reads.clear()
        ledger.close()
        view.restore()
    with Ledger.open(path, view):
        assert reads == [13, 14]
        assert equal(bits(view), wanted)


def flipped(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: flipped(file, 0),
        lambda file: flipped(file, 40),
        lambda file: flipped(file, 64),
        lambda file: flipped(file, -1),
        cut,
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_damaged_or_missing_sum_is_made_anew(
    view: ModelView, path: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    wanted = expected(view, path, tmp_path, undone=2)
    for file in list((path / "sums").iterdir()):
        damage(file)
    with Ledger.open(path, view) as ledger:
        ledger.undo(2)
        assert equal(bits(view), wanted)
        assert ledger.verify().ok


def test_sums_of_other_edits_layers_or_times_are_not_used(view: ModelView, path: Path, tmp_path: Path) -> None:
    wanted = expected(view, path, tmp_path)
    view.restore()
    fill(view, tmp_path / "other", first=100)
    stale = {file.name: file.read_bytes() for file in (path / "sums").iterdir()}
    for name in stale:
        shutil.copy(tmp_path / "other" / "sums" / name, path / "sums" / name)
    view.restore()
    with Ledger.open(path, view):
        assert equal(bits(view), wanted)
    for name, data in stale.items():  # the other layer's, of the same edits
        (path / "sums" / name.replace("000-", "x").replace("002-", "000-").replace("x", "002-")).write_bytes(data)
    view.restore()
    with Ledger.open(path, view) as ledger:
        assert equal(bits(view), wanted)
        ledger.undo(6)
        undone = bits(view)
    for name, data in stale.items():  # from before the undo
        (path / "sums" / name).write_bytes(data)
    view.restore()
    with Ledger.open(path, view) as ledger:
        assert equal(bits(view), undone)
        ledger.redo(6)
        assert equal(bits(view), wanted)
        assert ledger.verify().ok


def test_a_sum_of_another_build_is_not_used(
    view: ModelView, path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    monkeypatch.setattr(sums.SumFiles, "_build", b"another processor")
    view.restore()
    with Ledger.open(path, view):
        assert sorted(set(reads)) == list(range(1, EDITS + 1))


def test_kept_sums_do_not_hide_a_damaged_edit(view: ModelView, path: Path) -> None:
    for number, file in enumerate(sorted((path / "deltas").iterdir()), start=1):
        flipped(file, -1)
        view.restore()
        with pytest.raises(CorruptionError, match=f"Edit {number} is damaged"):
            Ledger.open(path, view)
        flipped(file, -1)
    with Ledger.open(path, view) as ledger:
        flipped(sorted((path / "deltas").iterdir())[4], -1)
        report = ledger.verify()
        assert report.edits == (5,)


@pytest.mark.parametrize(("room", "names"), [(0, []), (1, []), (2, ["000-head", "002-head"])])
def test_the_files_keep_to_their_limit(
    view: ModelView, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, names: list[str]
) -> None:
    wanted = expected(view, path, tmp_path)
    shutil.rmtree(path / "sums")
    monkeypatch.setattr(sums, "LIMIT", room * SUM)
    with Ledger.open(path, view) as ledger:
        found = sorted(file.stem for file in (path / "sums").glob("*"))
        assert len(found) <= room
        assert not names or found == names
        assert equal(bits(view), wanted)
        ledger.undo(3)
        ledger.redo(3)
        assert equal(bits(view), wanted)
        assert len(list((path / "sums").glob("*"))) <= room


def test_a_directory_that_cannot_be_written_costs_only_time(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        (tmp_path / "ledger" / "sums").write_text("a file where the directory would be")
        for number in range(1, EDITS + 1):
            ledger.apply(random_edit(view, number))
        ledger.undo(2)
        assert ledger.verify().ok


def test_two_processes_use_the_same_sums(tiny: Tiny, tmp_path: Path) -> None:
    one, two = tiny("gpt2"), tiny("gpt2")
    with Ledger.open(tmp_path, one) as first, Ledger.open(tmp_path, two) as second:
        for number in range(1, 24):
            (first if number % 3 else second).apply(random_edit((one if number % 3 else two), number))
            if number % 5 == 0:
                (second if number % 2 else first).undo(number - 4)
        first.refresh()
        second.refresh()
        assert equal(bits(one), bits(two))
        assert first.undo_to(9) == second.applied[:0] + tuple(n for n in range(23, 9, -1) if n not in {11, 16})
        second.redo(1)
        first.refresh()
        assert equal(bits(one), bits(two))
        assert first.verify().ok and second.verify().ok


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, which this system does not have")
def test_a_crash_between_the_sums_and_the_commit(view: ModelView, tiny: Tiny, path: Path, tmp_path: Path) -> None:
    wanted = expected(view, path, tmp_path)
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            ledger = Ledger.open(path, view)
            store.Store.commit = _die
            ledger.undo(2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    reader = tiny("gpt2")
    with Ledger.open(path, reader) as ledger:
        assert ledger.applied == tuple(range(1, EDITS + 1))
        assert equal(bits(reader), wanted)
        assert ledger.verify().ok

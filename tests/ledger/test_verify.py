"""Verification notices one flipped byte and names the edit."""

import sqlite3
from pathlib import Path

import pytest
import torch

from errata.errors import CorruptionError, LedgerError
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.ledger.conftest import bits, contents, equal, random_edit


@pytest.fixture
def path(view: ModelView, tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        for seed in range(4):
            ledger.apply(random_edit(view, seed))
        ledger.undo(3)
    view.restore()
    return tmp_path / "ledger"


def _flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_a_sound_ledger(view: ModelView, path: Path) -> None:
    report = Ledger.verify_at(path, view)
    assert report.ok
    assert (report.problems, report.edits, report.checked) == ((), (), 4)
    assert report.weights_sha256 == view.weights_sha256()


@pytest.mark.parametrize("place", [0, 200, -1])
def test_a_flipped_byte_is_noticed_and_named(view: ModelView, path: Path, place: int) -> None:
    before = bits(view)
    for number, file in enumerate(sorted((path / "deltas").iterdir()), start=1):
        _flip(file, place)
        if number == 3:  # undone: the others still give the weights
            with Ledger.open(path, view) as ledger:
                report = ledger.verify()
                with pytest.raises(CorruptionError, match="Edit 3 is damaged"):
                    ledger.redo(3)
                assert ledger.applied == (1, 2, 4)
            view.restore()
        else:
            files = contents(path)
            with pytest.raises(CorruptionError, match=f"Edit {number} is damaged"):
                Ledger.open(path, view)
            assert contents(path) == files
            report = Ledger.verify_at(path, view)
        assert equal(bits(view), before)
        assert report.edits == (number,)
        assert len(report.problems) == 1
        assert f"Edit {number} is damaged" in report.problems[0]
        _flip(file, place)
    assert Ledger.verify_at(path, view).ok


def test_a_lost_file_is_noticed(view: ModelView, path: Path) -> None:
    sorted((path / "deltas").iterdir())[1].unlink()
    report = Ledger.verify_at(path, view)
    assert report.edits == (2,)
    assert "Edit 2 cannot be read" in report.problems[0]


def test_a_file_no_row_names_is_ignored(view: ModelView, path: Path) -> None:
    with Ledger.open(path, view) as ledger:
        expected = bits(view)
        orphan = path / "deltas" / "000005-0123456789ab.safetensors"
        orphan.write_bytes(random_edit(view, 9).to_bytes())
        (path / "deltas" / ".000005-0123456789ab.safetensors.tmp").write_bytes(b"half")
    with Ledger.open(path, view) as ledger:
        assert equal(bits(view), expected)
        assert ledger.verify().ok
        assert ledger.apply(random_edit(view, 10)) == 5
        assert ledger.verify().ok


def test_weights_written_behind_its_back(view: ModelView, path: Path) -> None:
    with Ledger.open(path, view) as ledger:
        expected = bits(view)
        with torch.no_grad():
            view.parameter(2)[0, 0] += 1
        report = ledger.verify()
        assert len(report.problems) == 1
        assert "weights of layer 2 are not the sum of the unedited ones and edits 1, 2, 4" in report.problems[0]
        ledger.refresh()
        assert equal(bits(view), expected)
        view.restore()
        assert not ledger.verify().ok
        number = ledger.apply(random_edit(view, 5, (1,)))
        ledger.undo(number)
        assert equal(bits(view), expected)


def test_a_changed_row_is_noticed(view: ModelView, path: Path) -> None:
    with sqlite3.connect(path / "ledger.sqlite") as connection:
        connection.execute("UPDATE entries SET applied = 0 WHERE id = 1")
        connection.execute("UPDATE entries SET method = 'other' WHERE id = 2")
        with pytest.raises(sqlite3.IntegrityError, match="events are final"):
            connection.execute("DELETE FROM events")
    connection.close()
    report = Ledger.verify_at(path, view)
    assert report.edits == (1, 2)
    assert "Edit 1 is recorded as undone, the events say otherwise" in " ".join(report.problems)


def test_a_damaged_database_is_reported(view: ModelView, path: Path) -> None:
    data = bytearray((path / "ledger.sqlite").read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    (path / "ledger.sqlite").write_bytes(data)
    report = Ledger.verify_at(path, view)
    assert not report.ok
    assert "damaged" in report.problems[0]
    (path / "ledger.sqlite").unlink()
    with pytest.raises(LedgerError, match=r"holds edits but ledger\.sqlite is gone"):
        Ledger.open(path, view)

"""Hostile ledgers: rows of other kinds, names that lead out, links, pipes; no weight and no file is touched."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from errata.cli.sequence import _earlier
from errata.deltas import Edit
from errata.errors import CorruptionError, ErrataError, LedgerError
from errata.export.incoming import source_of, take
from errata.facts import Case
from errata.ledger import Ledger
from errata.ledger.disk import write_durably
from errata.ledger.records import CHECKUPS
from errata.ledger.store import Store
from errata.ledger.sums import SumFiles
from errata.model.view import ModelView
from errata.reports.correction.course import checkups
from errata.sequences import Battery
from tests.faults.conftest import Counted
from tests.faults.fuzz.seeds import FACT
from tests.ledger.conftest import bits, contents, equal, random_edit
from tests.tiny import tiny


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


@pytest.fixture
def book(view: ModelView, tmp_path: Path) -> Path:
    """A ledger of two edits, closed; the view is unedited again."""
    with Ledger.open(tmp_path / "book", view) as ledger:
        for seed in (1, 2):
            ledger.apply(random_edit(view, seed))
    view.restore()
    return tmp_path / "book"


def write(book: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """Write to the database past all that it checks."""
    connection = sqlite3.connect(book / "ledger.sqlite", isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        connection.execute(statement, values)
    connection.close()


def refused(book: Path, view: ModelView, counted: Counted, kind: type[ErrataError] = LedgerError) -> str:
    """Opening, importing and looking at the ledger are refused in words, and no weight is touched."""
    before, files = bits(view), contents(book)
    with pytest.raises(kind) as caught:
        Ledger.open(book, view)
    for look in (
        lambda: Ledger.verify_at(book, view),
        lambda: take(source_of(book), tiny("gpt2"), Ledger.open(book.parent / "other", tiny("gpt2"))),
    ):
        try:
            look()
        except ErrataError as error:
            assert str(error).strip()
    assert equal(bits(view), before)
    assert {name: data for name, data in contents(book).items() if "sqlite" not in name} == {
        name: data for name, data in files.items() if "sqlite" not in name
    }
    counted("hostile ledgers refused", 1)
    return str(caught.value)


ROWS: dict[str, tuple[str, Any]] = {
    "facts that are no JSON": ("facts", "{"),
    "facts nested deep": ("facts", "[" * 100_000),
    "facts with NaN": ("facts", "[NaN]"),
    "facts that are a number": ("facts", "5"),
    "a fact without a prompt": ("facts", '[{"subject": "a"}]'),
    "a fact with half a surrogate pair": ("facts", '[{"subject": "\\ud800", "prompt": "{} is"}]'),
    "facts that are bytes": ("facts", b"\xff\xfe"),
    "layers that are texts": ("layers", '["a", "b"]'),
    "layers that are a text": ("layers", '"ab"'),
    "layers below zero": ("layers", "[-1]"),
    "layers of 30 digits": ("layers", f"[{10**30}]"),
    "ranks that are an object": ("ranks", '{"a": 1}'),
    "a norm that is a text": ("norm", "large"),
    "a method that is a number of bytes": ("method", b"x"),
    "a time that is none": ("at", b"\0"),
    "applied twice": ("applied", "yes"),
    "a file above": ("file", "../../secret.safetensors"),
    "a file at the root": ("file", "/etc/passwd"),
    "a file above on Windows": ("file", "..\\secret.safetensors"),
    "a file with NUL": ("file", "a\0b"),
    "a file without a name": ("file", ""),
    "the directory": ("file", "."),
    "the directory above": ("file", ".."),
    "a file name that is bytes": ("file", b"../x"),
}


@pytest.mark.parametrize("what", list(ROWS))
def test_a_row_of_another_kind(what: str, book: Path, view: ModelView, counted: Counted) -> None:
    column, value = ROWS[what]
    write(book, f"UPDATE entries SET {column} = ? WHERE id = 2", values=(value,))
    assert "Edit 2" in refused(book, view, counted) or column == "facts"


def test_a_row_whose_text_is_no_utf8(book: Path, view: ModelView, counted: Counted) -> None:
    write(book, "UPDATE entries SET method = CAST(x'fffe' AS TEXT) WHERE id = 2")
    refused(book, view, counted)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meta",
        "INSERT INTO meta SELECT * FROM meta",
        "UPDATE meta SET fingerprint = x'00'",
        "UPDATE meta SET dtype = 5.5, model = x'ff'",
        "UPDATE entries SET id = -2 WHERE id = 2",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
    ],
)
def test_a_database_that_says_something_else(statement: str, book: Path, view: ModelView, counted: Counted) -> None:
    write(book, statement)
    refused(book, view, counted)


@pytest.mark.parametrize("event", ["('x', 'burn', 1, NULL)", "(x'00', 'undo', 1, NULL)", "('x', 'undo', 'y', NULL)"])
def test_an_event_that_is_none(event: str, book: Path, view: ModelView, counted: Counted) -> None:
    """The weights do not depend on the events: the ledger opens, and who asks for them is told."""
    write(book, f"INSERT INTO events (at, kind, edit, by) VALUES {event}")
    with Ledger.open(book, view) as ledger:
        with pytest.raises(CorruptionError, match="Event"):
            ledger.events()
        assert not ledger.verify().ok
    counted("hostile ledgers refused", 1)


@pytest.mark.parametrize("size", [0, 10, 100, 4096])
@pytest.mark.parametrize("name", ["ledger.sqlite", "ledger.sqlite-wal"])
def test_a_database_that_is_cut_or_noise(name: str, size: int, book: Path, view: ModelView, counted: Counted) -> None:
    noise = hashlib.shake_256(b"noise").digest(size)
    (book / name).write_bytes(noise)
    before = bits(view)
    try:
        Ledger.open(book, view).close()
        assert name.endswith("-wal")  # SQLite passes over a log whose check sums are wrong
        view.restore()
    except ErrataError:
        pass
    assert equal(bits(view), before)
    counted("hostile ledgers refused", 1)


def delta_file(book: Path) -> Path:
    return sorted((book / "deltas").glob("000002-*"))[0]


@pytest.mark.parametrize("sound", [True, False])
def test_a_delta_that_is_a_link(sound: bool, book: Path, view: ModelView, tmp_path: Path, counted: Counted) -> None:
    """Also one that leads to the very bytes that were recorded."""
    path, outside = delta_file(book), tmp_path / "outside"
    outside.write_bytes(path.read_bytes() if sound else b"secret")
    path.unlink()
    path.symlink_to(outside)
    assert "link" in refused(book, view, counted)


def test_a_delta_that_is_a_pipe_or_a_directory_or_endless(book: Path, view: ModelView, counted: Counted) -> None:
    path = delta_file(book)
    path.unlink()
    os.mkfifo(path)
    assert "no file" in refused(book, view, counted)
    path.unlink()
    path.mkdir()
    assert "no file" in refused(book, view, counted)
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert "link" in refused(book, view, counted)


@pytest.mark.parametrize("name", ["deltas", "sums", "ledger.sqlite", "ledger.sqlite-wal", CHECKUPS])
def test_a_part_of_the_ledger_that_is_a_link(
    name: str, book: Path, view: ModelView, tmp_path: Path, counted: Counted
) -> None:
    """Nothing is read, written or deleted behind it."""
    outside = tmp_path / "outside"
    if (book / name).is_dir():
        (book / name).replace(outside)
    else:
        outside.write_bytes((book / name).read_bytes() if (book / name).exists() else b"")
        (book / name).unlink(missing_ok=True)
    (book / name).symlink_to(outside)
    before = contents(outside) if outside.is_dir() else outside.read_bytes()
    assert "is a link" in refused(book, view, counted)
    assert (contents(outside) if outside.is_dir() else outside.read_bytes()) == before


def test_a_temporary_name_that_is_a_link_is_not_written_through(
    view: ModelView, tmp_path: Path, counted: Counted
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".file.tmp").symlink_to(precious)
    write_durably(tmp_path / "file", b"new")
    assert precious.read_text() == "mine" and (tmp_path / "file").read_bytes() == b"new"
    sums = tmp_path / "sums"
    sums.mkdir()
    (sums / ".000-head.sum.tmp").symlink_to(precious)
    SumFiles(sums, lambda ids: ["0"] * len(ids)).keep_head(0, [(1,)], torch.ones(2, 2))
    assert precious.read_text() == "mine" and (sums / "000-head.sum").is_file()
    counted("links not followed", 2)


def test_a_sum_that_is_a_pipe_a_link_or_noise_is_as_good_as_none(tmp_path: Path, counted: Counted) -> None:
    files = SumFiles(tmp_path, lambda ids: ["0"] * len(ids))
    path = tmp_path / "000-head.sum"
    os.mkfifo(path)
    assert files.head(0, (2, 2), [(1,)]) == (0, None)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert files.head(0, (2, 2), [(1,)]) == (0, None)
    path.unlink()
    for noise in (b"", b"\0" * 80, b"\xff" * 80, b"\0" * 10_000):
        path.write_bytes(noise)
        assert files.head(0, (2, 2), [(1,)]) == (0, None)
    counted("hostile files refused", 6)


def repacked(book: Path, change: Callable[[Edit], bytes]) -> None:
    """Put another file in the place of edit 2, with the hash that goes with it."""
    path = delta_file(book)
    data = change(Edit.load(path))
    path.write_bytes(data)
    write(book, "UPDATE entries SET sha256 = ? WHERE id = 2", values=(hashlib.sha256(data).hexdigest(),))


def test_a_delta_with_a_sound_hash_and_other_content(book: Path, view: ModelView, counted: Counted) -> None:
    """A stranger can make the hash too: what is in the file is held against the model."""
    other = random_edit(tiny("llama"), 5)
    repacked(book, lambda _: other.to_bytes())
    before = bits(view)
    try:
        with Ledger.open(book, view) as ledger:
            assert not ledger.verify().ok
    except ErrataError:
        pass
    view.restore()
    assert equal(bits(view), before)
    counted("hostile ledgers refused", 1)


@pytest.mark.parametrize("data", [b"", b"noise", b"\0" * 8, (2**60).to_bytes(8, "little")])
def test_a_delta_with_a_sound_hash_that_is_no_edit(data: bytes, book: Path, view: ModelView, counted: Counted) -> None:
    repacked(book, lambda _: data)
    assert "Edit 2" in refused(book, view, counted)


LINES = (
    b"\xff\xfe\n",
    b"[" * 100_000 + b"\n",
    b'{"edit": 1, "edited": 1, "all": {"efficacy": {"mean": "x", "interval": [0, 1], "n": 1}}, "known": null}\n',
    b'{"edit": 1, "edited": NaN}\n',
    b'{"edit": 1, "done": 1e999}\n',
    b'{"sequence": "x", "edit": 1, "done": 1, "new": {"a": {"name": "a", "values": []}}}\n',
    b"null\n5\n[]\n\0\n",
)


@pytest.mark.parametrize("place", range(len(LINES)))
def test_checkups_that_are_none_are_passed_over(place: int, tmp_path: Path, counted: Counted) -> None:
    (tmp_path / CHECKUPS).write_bytes(LINES[place])
    assert checkups(tmp_path, [1]) == ()
    assert _earlier(tmp_path, Battery((Case(FACT),)), [1]) == []
    counted("hostile files refused", 1)


def test_what_a_store_says_of_a_damaged_file_names_the_edit(book: Path) -> None:
    delta_file(book).write_bytes(b"x")
    store = Store.open(book, None)
    with pytest.raises(CorruptionError, match="Edit 2 is damaged"):
        store.check()
    store.close()

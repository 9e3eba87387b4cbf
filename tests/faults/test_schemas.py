"""An older ledger gets today's schema and keeps a copy, a newer one is refused, and a kill on the way loses nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from errata.errors import LedgerError
from errata.ledger import Ledger, schema
from errata.ledger.records import errata_version
from errata.ledger.schema import SCHEMA, STEPS, TABLES
from errata.model.view import ModelView
from tests.faults.conftest import Counted
from tests.faults.killing import KILLS, Killer, Work, few_or_many, needs_fork, together
from tests.faults.killing import run as rehearse
from tests.ledger.conftest import bits, contents, equal, random_edit


def older(view: ModelView, path: Path) -> Path:
    """A ledger of schema 1 as its version left it: its tables, and a write-ahead log that was not folded in yet."""
    with Ledger.open(path.with_name("today"), view) as ledger:
        for seed in range(4):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
        ledger.apply(random_edit(view, 3, (1,)), supersede=True)
    view.restore()
    shutil.copytree(path.with_name("today") / "deltas", path / "deltas")
    with closing(sqlite3.connect(path.with_name("written"), isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for statement in TABLES:
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {schema.APPLICATION}")
        database.execute("PRAGMA user_version = 1")
        database.execute("ATTACH ? AS today", (str(path.with_name("today") / "ledger.sqlite"),))
        for table, columns in (("meta", "*"), ("entries", "*"), ("events", "id, at, kind, edit, by")):
            database.execute(f"INSERT INTO main.{table} SELECT {columns} FROM today.{table}")
        for name in ("", "-wal"):  # as a process leaves them that is killed
            shutil.copy(path.with_name(f"written{name}"), path / f"ledger.sqlite{name}")
    assert (path / "ledger.sqlite-wal").stat().st_size > 0
    return path


def rows(database: Path, columns: str = "*") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        tables = ("meta", "entries", f"(SELECT {columns} FROM events)")
        return [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]


def version(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_ledger_gets_todays_schema_and_keeps_a_copy(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    path = older(view, tmp_path / "older")
    before = rows(path.with_name("written"))
    with Ledger.open(tmp_path / "today", view):
        expected = bits(view)
    view.restore()
    deltas = contents(path / "deltas")
    with Ledger.open(path, view, create=False) as ledger:
        assert equal(bits(view), expected) and contents(path / "deltas") == deltas
        assert ledger.applied == (1, 3, 5) and len(ledger.events()) == 7
        assert {event.errata for event in ledger.events()} == {None}, "nobody knows which version it was"
        ledger.redo(2)
        assert ledger.events()[-1].errata == errata_version()
        report = ledger.verify()
        assert report.ok, report.problems
        ledger.undo(2)
    names = {file.name for file in path.iterdir()}
    assert names == {"ledger.sqlite", "ledger.sqlite.v1", "deltas"}, "no log is left"
    assert version(path / "ledger.sqlite") == SCHEMA
    kept = path / "ledger.sqlite.v1"
    assert version(kept) == 1 and rows(kept) == before
    assert rows(path / "ledger.sqlite", "id, at, kind, edit, by")[: len(before)] == before
    # What the copy is for: the version that made it reads it as it was.
    for database, wanted in ((kept, before), (path / "ledger.sqlite", None)):
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], wanted
    counted("older ledgers migrated", 1)


def test_a_migrated_ledger_has_the_tables_of_a_new_one(view: ModelView, tmp_path: Path) -> None:
    path = older(view, tmp_path / "older")
    Ledger.open(path, view).close()
    Ledger.open(tmp_path / "new", view).close()

    def tables(folder: Path) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    assert tables(path) == tables(tmp_path / "new") and SCHEMA == len(STEPS) + 1 > 1


def test_a_newer_ledger_is_refused_and_left_alone(view: ModelView, tmp_path: Path, counted: Counted) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        ledger.apply(random_edit(view, 0))
    view.restore()
    before = bits(view)
    newer = [SCHEMA + 1, SCHEMA + 50, 2**31 - 1, 0, -1]
    for found in newer:
        with closing(sqlite3.connect(tmp_path / "ledger" / "ledger.sqlite")) as connection:
            connection.execute(f"PRAGMA user_version = {found}")
        files = contents(tmp_path / "ledger")
        words = f"has schema {found}, this version of Errata reads 1 to {SCHEMA}: use the version that made it"
        for create in (True, False):
            with pytest.raises(LedgerError, match=words):
                Ledger.open(tmp_path / "ledger", view, create)
        with pytest.raises(LedgerError, match=words):
            Ledger.verify_at(tmp_path / "ledger", view)
        assert contents(tmp_path / "ledger") == files and equal(bits(view), before)
    counted("newer ledgers refused", len(newer))


def test_several_steps_are_one_change(view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails takes those before it back; the copy is named after the schema that it has."""
    path = older(view, tmp_path / "older")
    more = (*STEPS, ("ALTER TABLE entries ADD COLUMN note TEXT",), ("CREATE TABLE notes (id INTEGER PRIMARY KEY)",))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*more, ("ALTER TABLE nowhere ADD COLUMN note TEXT",)))
        patch.setattr(schema, "SCHEMA", len(more) + 2)
        with pytest.raises(LedgerError, match="no such table: nowhere"):
            Ledger.open(path, view)
    assert version(path / "ledger.sqlite") == 1
    Ledger.open(path, view).close()
    monkeypatch.setattr(schema, "STEPS", more)
    monkeypatch.setattr(schema, "SCHEMA", len(more) + 1)
    with Ledger.open(path, view) as ledger:
        assert ledger.verify().ok and ledger.applied == (1, 3, 5)
    copies = {file.name: version(file) for file in path.glob("ledger.sqlite*")}
    assert copies == {"ledger.sqlite": len(more) + 1, "ledger.sqlite.v1": 1, f"ledger.sqlite.v{SCHEMA}": SCHEMA}


def test_without_room_for_the_copy_nothing_is_changed(
    view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = older(view, tmp_path / "older")

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "sync", full)
        with pytest.raises(LedgerError, match=r"No space left.*room"):
            Ledger.open(path, view)
    assert version(path / "ledger.sqlite") == 1 and not (path / "ledger.sqlite.v1").exists()
    with Ledger.open(path, view) as ledger:
        assert ledger.verify().ok


def opening(path: Path, view: ModelView) -> Work:
    return lambda say: say(str(Ledger.open(path, view).applied))


@needs_fork
def test_processes_that_open_an_older_ledger_at_once(view: ModelView, tmp_path: Path) -> None:
    """One of them migrates it; the copy is of the older one, whoever makes it."""
    path = older(view, tmp_path / "older")
    before = rows(path.with_name("written"))
    ends = together([opening(path, view)] * 6)
    assert [end.said for end in ends] == [["(1, 3, 5)"]] * 6
    assert version(path / "ledger.sqlite.v1") == 1 and rows(path / "ledger.sqlite.v1") == before
    with Ledger.open(path, view) as ledger:
        assert ledger.verify().ok


@needs_fork
@few_or_many(3, 60)
def test_a_killed_migration(view: ModelView, tmp_path: Path, counted: Counted, kills: int) -> None:
    """The ledger has the older schema or today's, whole; a copy that is there is whole; the next opening goes on."""
    source = older(view, tmp_path / "older")
    before = rows(source.with_name("written"))
    place = tmp_path / "place"

    def again(_: int = 0) -> Work:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
        return opening(place, view)

    for _ in Killer(rehearse(again())).until(kills, again):
        copy = place / "ledger.sqlite.v1"
        for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-journal"):  # look at copies: looking mends
            if (place / name).exists():
                shutil.copy(place / name, tmp_path / name)
        found = version(tmp_path / "ledger.sqlite")
        assert found in (1, SCHEMA)
        assert rows(tmp_path / "ledger.sqlite", "id, at, kind, edit, by") == before
        assert copy.exists() or found == 1
        assert not copy.exists() or (version(copy) == 1 and rows(copy) == before)
        for file in tmp_path.glob("ledger.sqlite*"):
            file.unlink()
        with Ledger.open(place, view) as ledger:
            assert ledger.applied == (1, 3, 5)
            report = ledger.verify()
            assert report.ok, report.problems
        assert version(place / "ledger.sqlite") == SCHEMA and rows(copy) == before
        view.restore()
    counted(KILLS, kills)
    counted("kills survived by migrations", kills)

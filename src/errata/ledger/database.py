"""Opening the database of a ledger: one SQLite file, `ledger.sqlite`, and between changes nothing beside it.

It keeps a rollback journal, which is gone when a change is durable. A write-ahead log would commit with fewer syncs.
But it is a second file that holds what was acknowledged, it cannot be read where nothing may be written, and in SQLite
before 3.51.3 it may lose commits of processes that write at once (sqlite.org/wal.html, "the WAL-reset bug").
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from errata.errors import LedgerError
from errata.ledger import schema
from errata.ledger.disk import BUSY, make_directories, refuse_links, speaking, sync_directory
from errata.ledger.records import CHECKUPS, Meta

NAME = "ledger.sqlite"
BUSY_SECONDS = 5.0
OWN = (NAME, f"{NAME}-wal", f"{NAME}-shm", f"{NAME}-journal", "deltas", "sums", CHECKUPS)


def open_database(path: Path, meta: Meta | None) -> sqlite3.Connection:
    """Open the database of the ledger in `path`; where there is none, make one for `meta` (None: refuse).

    A ledger of an older schema gets today's, and keeps a copy of its database (see `errata.ledger.schema`).
    Raises LedgerError for a directory that holds no ledger, one of a newer schema, links or another's tables,
    CorruptionError for a damaged one.
    """
    with speaking(path):
        refuse_links(path, OWN)
        if not (path / NAME).exists():
            _require(meta, path)
            make_directories(path)
    connection = None
    try:
        with speaking(path):
            connection = _connect(path, "rw" if meta is None else "rwc")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA synchronous = EXTRA")  # FULL leaves the removal of the journal unsynced
            if schema.is_empty(connection):
                schema.create(connection, asdict(_require(meta, path)))
                sync_directory(path)
            schema.check(connection, path)
            schema.migrate(connection, path)
            _leave_log(connection)
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def is_at(path: Path) -> bool:
    """Whether a directory holds a ledger, sound or not; a database that a killed process had only begun is none."""
    if not (path / NAME).is_file():
        return False
    try:
        with closing(_connect(path, "rw")) as connection:
            return not schema.is_empty(connection)
    except sqlite3.Error:
        return True


def discard(path: Path) -> None:
    """Remove a ledger's database unless it holds an edit; who has it open cannot write to it any more.

    Raises LedgerError where there is none, or another process is writing to it.
    """
    with speaking(path), closing(_connect(path, "rw")) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        if schema.is_empty(connection) or not connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]:
            (path / NAME).unlink()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Connect to a database; `mode` is `rw`, or `rwc` to make one where there is none."""
    return sqlite3.connect(
        f"{(path / NAME).resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _leave_log(connection: sqlite3.Connection) -> None:
    """Give up the write-ahead log that earlier versions kept; while others have the database open it serves on."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in BUSY:
            raise
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def _require(meta: Meta | None, path: Path) -> Meta:
    """What a new ledger in `path` is for; raises LedgerError where none may be made."""
    if meta is None:
        raise LedgerError(f"There is no ledger at {path}: give the directory of one, or create it.")
    if any((path / "deltas").glob("*.safetensors")):
        raise LedgerError(f"{path / 'deltas'} holds edits but {NAME} is gone: put it back from a copy.")
    return meta

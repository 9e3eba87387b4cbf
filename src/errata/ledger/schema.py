"""The tables of a ledger's database, and whether a file holds them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from errata.errors import LedgerError

SCHEMA = 1
APPLICATION = 0x45525241  # "ERRA"
NAMES = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"

TABLES = (
    "CREATE TABLE meta (model TEXT NOT NULL, fingerprint TEXT NOT NULL, dtype TEXT NOT NULL, created TEXT NOT NULL)",
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        file TEXT NOT NULL UNIQUE,
        sha256 TEXT NOT NULL,
        method TEXT NOT NULL,
        facts TEXT NOT NULL,
        layers TEXT NOT NULL,
        ranks TEXT NOT NULL,
        norm REAL NOT NULL,
        applied INTEGER NOT NULL CHECK (applied IN (0, 1)),
        at TEXT NOT NULL
    )""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('apply', 'undo', 'redo', 'supersede')),
        edit INTEGER NOT NULL,
        by INTEGER
    )""",
    "CREATE TRIGGER no_event_changes BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are final'); END",
    "CREATE TRIGGER no_event_goes BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are final'); END",
    "CREATE TRIGGER no_entry_goes BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are final'); END",
)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing yet."""
    return connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0


def create(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make the tables in one transaction, unless another process has just made them."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_empty(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES (:model, :fingerprint, :dtype, :created)", meta)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LedgerError for a database that is no ledger's, that holds more, or that a newer version made."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise LedgerError(f"{path / 'ledger.sqlite'} is not a ledger's database: give the directory of a ledger.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA:
        raise LedgerError(
            f"The ledger at {path} has schema {version}, this version of Errata reads {SCHEMA}: "
            "use the version that made it, or a newer one."
        )
    strange = {row[:2] for row in connection.execute(NAMES)} ^ _names()
    if strange:
        kind, name = sorted(strange)[0]
        raise LedgerError(
            f"The database of the ledger at {path} differs from a ledger's by the {kind} {name}: take no ledger whose "
            "maker you do not trust, or put ledger.sqlite back from a copy."
        )


def _names() -> set[tuple[str, str]]:
    """Kind and name of all that a ledger's database holds."""
    with closing(sqlite3.connect(":memory:")) as empty:
        for statement in TABLES:
            empty.execute(statement)
        return {row[:2] for row in empty.execute(NAMES)}

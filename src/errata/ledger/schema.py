"""The tables of a ledger's database, how an older one gets today's, and whether a file holds them.

A new ledger is made as the first version made it, and goes the steps of all since. So there is one description of the
tables, and an old ledger that is opened becomes the same as a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from errata.errors import LedgerError
from errata.ledger.disk import sync, sync_directory

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

# STEPS[n - 1] makes a ledger of schema n one of schema n + 1.
STEPS: tuple[tuple[str, ...], ...] = (
    ("ALTER TABLE events ADD COLUMN errata TEXT",),  # the version that wrote the event
)
SCHEMA = len(STEPS) + 1


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing yet."""
    return connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0


def create(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make the tables in one transaction, unless another process has just made them."""
    with _locked(connection):
        if is_empty(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES (:model, :fingerprint, :dtype, :created)", meta)
            _advance(connection, 1)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise LedgerError for a database that is no ledger's, that holds more, or that a newer version made."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise LedgerError(f"{path / 'ledger.sqlite'} is not a ledger's database: give the directory of a ledger.")
    version = _version(connection)
    if not 1 <= version <= SCHEMA:
        raise LedgerError(
            f"The ledger at {path} has schema {version}, this version of Errata reads 1 to {SCHEMA}: "
            "use the version that made it, or a newer one."
        )
    strange = {row[:2] for row in connection.execute(NAMES)} ^ _names()
    if strange:
        kind, name = sorted(strange)[0]
        raise LedgerError(
            f"The database of the ledger at {path} differs from a ledger's by the {kind} {name}: take no ledger whose "
            "maker you do not trust, or put ledger.sqlite back from a copy."
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Give an older ledger today's schema, in one transaction; its database is first copied to ledger.sqlite.vN.

    Without a whole copy nothing is changed.
    """
    if _version(connection) == SCHEMA:
        return
    with _locked(connection):
        version = _version(connection)  # another process may have been quicker
        if version < SCHEMA:
            _copy(path / "ledger.sqlite", path / f"ledger.sqlite.v{version}")
            _advance(connection, version)


def _advance(connection: sqlite3.Connection, version: int) -> None:
    """Go the steps from a schema to today's."""
    for step in STEPS[version - 1 :]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _copy(database: Path, path: Path) -> None:
    """Copy a database as it was last committed; the copy is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(temporary)) as copy:
        source.backup(copy)
    sync(temporary)
    temporary.replace(path)
    sync_directory(path.parent)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _locked(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction that nothing else writes beside; it is committed unless the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _names() -> set[tuple[str, str]]:
    """Kind and name of all that a ledger's database holds."""
    with closing(sqlite3.connect(":memory:")) as empty:
        for statement in TABLES:
            empty.execute(statement)
        return {row[:2] for row in empty.execute(NAMES)}

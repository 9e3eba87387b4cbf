"""Durable writes, and the errors of disk and database in the ledger's words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from errata.errors import CorruptionError, LedgerError

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_WAYS_OUT = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_READONLY: "allow writing to its directory, or copy it elsewhere",
    sqlite3.SQLITE_CANTOPEN: "allow reading and writing in its directory, or copy it elsewhere",
}


@contextmanager
def speaking(path: Path) -> Generator[None]:
    """Turn SQLite's and the file system's errors into LedgerError or CorruptionError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in BUSY:
            raise LedgerError(
                f"The ledger at {path} is being written by another process: try again when it is done."
            ) from error
        if code in _DAMAGED:
            raise CorruptionError(
                f"The database of the ledger at {path} is damaged ({error}): put ledger.sqlite back from a copy."
            ) from error
        way_out = _WAYS_OUT.get(code, "see that its disk and directory are sound")
        raise LedgerError(f"The database of the ledger at {path} cannot be used ({error}): {way_out}.") from error
    except OSError as error:
        raise LedgerError(
            f"The ledger at {path} cannot be read or written ({error}): see that its disk has room and allows it."
        ) from error


def make_directories(path: Path) -> None:
    """Make `path`, what is missing above it and `deltas` in it; all of it or nothing."""
    made: list[Path] = []
    try:
        with speaking(path):
            for directory in [*reversed(path.absolute().parents), path, path / "deltas"]:
                if not directory.exists():
                    directory.mkdir(exist_ok=True)
                    made.append(directory)
                    sync_directory(directory.parent)
    except LedgerError:
        with suppress(OSError):  # another process may have put something there
            for directory in reversed(made):
                directory.rmdir()
        raise


def write_durably(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Write a file so that after a crash it is there whole or not at all: temporary name, sync, rename, sync."""
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync(path: Path) -> None:
    """Make what a file holds, or the names in a directory, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Make a directory's names durable."""
    if os.name != "nt":  # Windows cannot open a directory
        sync(path)

"""Durable writes, and the errors of disk and database in the ledger's words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Generator, Iterable
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
    """Raise LedgerError or CorruptionError in the place of SQLite's and the file system's errors."""
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


def plain_name(name: str) -> str:
    """A file's name; raises ValueError for one that leads out of its directory."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"the file name {name!r} leads out of the folder")
    return name


def own_file(path: Path) -> Path:
    """The path of a file that is there itself; raises OSError for a link, a pipe or anything else in its place."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(f"{path.name} is a link or no file")
    return path


def refuse_links(path: Path, names: Iterable[str]) -> None:
    """Raise LedgerError where one of a directory's names is a link: what is written there would go elsewhere."""
    for name in names:
        if (path / name).is_symlink():
            raise LedgerError(
                f"{path / name} is a link, and may lead to files that are not the ledger's: put there what it leads to."
            )


def write_durably(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Write a file so that after a crash it is there whole or not at all: temporary name, sync, rename, sync."""
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # a link left there would be written through
        with temporary.open("xb") as file:
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

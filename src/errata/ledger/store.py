"""The ledger on disk: one SQLite file for what happened, one safetensors file an edit for its deltas.

A delta file is written under a temporary name, synced, renamed and its directory synced before the row that names it
is committed. A crash in between leaves a file no row names; nothing reads it, and nothing deletes it either, since a
database taken back from a backup would turn good edits into such files.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, final

from errata.deltas import Edit
from errata.errors import CorruptionError, InputError, LedgerError
from errata.ledger.blocks import Ids
from errata.ledger.database import open_database
from errata.ledger.disk import own_file, speaking, sync_directory, write_durably
from errata.ledger.index import Index
from errata.ledger.records import Entry, Event, Meta, entry_of, errata_version, event_of, meta_of, now

TEMPORARY = ".edit.tmp"  # one name for all edits, written one at a time: a crash leaves one such file at most
_SHARE = 100  # files that a thread checks before it takes others
_ENTRY = "SELECT id, method, facts, applied, at, norm, layers, ranks, file, sha256 FROM entries"


@final
class Store:
    """An open ledger directory.

    Every method raises LedgerError when the database cannot be used, CorruptionError when it is damaged.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._written: list[Path] = []
        self._committed = True
        self._version = errata_version()
        self._read: dict[int, tuple[tuple[Any, ...], Entry]] = {}
        self._index: tuple[int, Index] | None = None

    @classmethod
    def open(cls, path: Path, meta: Meta | None) -> Store:
        """Open the ledger in `path`; where there is none, make one for `meta` (None: refuse).

        Raises LedgerError for a directory that holds no ledger, or one of a newer schema.
        """
        return cls(path, open_database(path, meta))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def meta(self) -> Meta:
        """Which model the ledger belongs to."""
        return meta_of(self._rows("SELECT model, fingerprint, dtype, created FROM meta"), self.path)

    def index(self) -> Index:
        """What the database says now; it is read again when another connection has written to it, or after a failure.

        Use what it returns at once: it changes with the ledger.
        """
        version = int(self._rows("PRAGMA data_version")[0][0])
        if self._index is None or self._index[0] != version:
            self._index = version, Index(self._entry(row) for row in self._rows(f"{_ENTRY} ORDER BY id"))
        return self._index[1]

    def forget(self) -> None:
        """Read the database again at the next question."""
        self._index = None

    def sha256s(self, ids: Ids) -> list[str]:
        """The recorded hashes of edits that the ledger holds."""
        index = self.index()
        return [entry.sha256 for number in ids if (entry := index.get(number))]

    def entries(self) -> tuple[Entry, ...]:
        """Every edit, in the order of first application."""
        return self.index().entries()

    def entry(self, number: int) -> Entry:
        """One edit; raises LedgerError, naming the ids there are, when it has none of that id."""
        entry = self.index().get(number)
        if entry is None:
            last = self.next_id() - 1
            known = "holds no edit yet" if last == 0 else "holds edit 1" if last == 1 else f"holds edits 1 to {last}"
            raise LedgerError(f"There is no edit {number}: the ledger at {self.path} {known}.")
        return entry

    def events(self) -> tuple[Event, ...]:
        """Everything that happened, oldest first."""
        rows = self._rows("SELECT id, at, kind, edit, by, errata FROM events ORDER BY id")
        return tuple(event_of(row, self.path) for row in rows)

    def integrity(self) -> list[str]:
        """What SQLite's own check finds wrong with the database; empty when sound."""
        return [row[0] for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Hold the write lock inside the block; without `commit` everything recorded in it is taken back.

        Raises LedgerError when another process keeps the lock for longer than `BUSY_SECONDS`.
        """
        self._written.clear()
        self._committed = False
        try:
            self._run("BEGIN IMMEDIATE")
            yield
        finally:
            if not self._committed:
                self.forget()
                if self._connection.in_transaction:  # after some errors SQLite has rolled back by itself
                    self._run("ROLLBACK")
                for path in self._written:
                    with suppress(OSError):  # what the disk does not let go of is read by nobody
                        path.unlink(missing_ok=True)

    @contextmanager
    def moment(self) -> Generator[None]:
        """What is read inside the block is of one moment; others cannot commit for as long as it takes."""
        self._run("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._run("ROLLBACK")

    def commit(self) -> None:
        """Make what this transaction recorded durable."""
        self._written.clear()  # a commit that reports an error may still be one, and then its rows name these files
        self._run("COMMIT")
        self._committed = True

    def next_id(self) -> int:
        """The id the next edit gets, which are numbered from 1 without a gap."""
        return int(self._rows("SELECT COALESCE(MAX(id), 0) + 1 FROM entries")[0][0])

    def add(self, number: int, edit: Edit) -> None:
        """Write an edit's file and record it as applied; raises InputError for an edit that JSON cannot describe."""
        data = edit.to_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path / "deltas" / f"{number:06d}-{sha256[:12]}.safetensors"
        self._written.append(path)
        with speaking(self.path):
            if not path.parent.is_dir():  # as in a copy made by what keeps no empty directories
                path.parent.mkdir()
                sync_directory(self.path)
            write_durably(path, data, path.with_name(TEMPORARY))
        entry = Entry(
            number,
            edit.method,
            edit.facts,
            True,
            now(),
            edit.norm(),
            tuple(d.layer for d in edit.deltas),
            tuple(d.rank for d in edit.deltas),
            path.name,
            sha256,
        )
        facts = json.dumps([asdict(fact) for fact in edit.facts], ensure_ascii=False)
        layers, ranks = json.dumps(entry.layers), json.dumps(entry.ranks)
        self._run(
            "INSERT INTO entries (id, method, facts, applied, at, norm, layers, ranks, file, sha256) "
            "VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
            (number, entry.method, facts, entry.at, entry.norm, layers, ranks, entry.file, sha256),
        )
        self.index().put(entry)
        self.log("apply", number)

    def mark(self, number: int, applied: bool) -> None:
        """Record an edit as applied or not."""
        entry = self.entry(number)
        self._run("UPDATE entries SET applied = ? WHERE id = ?", (int(applied), number))
        self.index().put(replace(entry, applied=applied))

    def log(self, kind: str, number: int, by: int | None = None) -> None:
        """Append to the log of events."""
        values = now(), kind, number, by, self._version
        self._run("INSERT INTO events (at, kind, edit, by, errata) VALUES (?, ?, ?, ?, ?)", values)

    def load(self, entry: Entry) -> Edit:
        """Read an edit from its file; raises CorruptionError for a file that is not the one recorded."""
        path = self._checked(entry)
        try:
            return Edit.load(path)
        except InputError as error:
            raise _unreadable(entry, path, error) from error

    def check(self) -> None:
        """Read the file of every applied edit; raises CorruptionError, naming the edit, for one that is not intact."""
        index = self.index()
        entries = [entry for number in index.applied() if (entry := index.get(number))]
        shares = [entries[start : start + _SHARE] for start in range(0, len(entries), _SHARE)]
        with ThreadPoolExecutor() as pool:  # reading and hashing leave the interpreter to others
            for _ in pool.map(lambda share: [self._checked(entry) for entry in share], shares):
                pass

    def _checked(self, entry: Entry) -> Path:
        """An edit's file, which is the one recorded."""
        path = self.path / "deltas" / entry.file
        try:
            found = hashlib.sha256(own_file(path).read_bytes()).hexdigest()
        except OSError as error:
            raise _unreadable(entry, path, error) from error
        if found != entry.sha256:
            raise CorruptionError(
                f"Edit {entry.id} is damaged: {path} has SHA-256 {found[:12]}…, recorded was "
                f"{entry.sha256[:12]}…; put the file back from a copy."
            )
        return path

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        """The entry of a row, read once as long as the row stays the same."""
        known = self._read.get(row[0])
        if known is None or known[0] != row:
            known = self._read[row[0]] = row, entry_of(row, self.path)
        return known[1]

    def _run(self, statement: str, values: Iterable[Any] = ()) -> None:
        with speaking(self.path):
            self._connection.execute(statement, tuple(values))

    def _rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with speaking(self.path):
            return self._connection.execute(statement, tuple(values)).fetchall()


def _unreadable(entry: Entry, path: Path, error: Exception) -> CorruptionError:
    return CorruptionError(f"Edit {entry.id} cannot be read from {path} ({error}): put the file back from a copy.")

"""Directories that are there whole or not at all: written under a temporary name beside their own, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from errata.errors import InputError
from errata.ledger.disk import sync_directory

MANIFEST = "errata.json"


@contextmanager
def whole(directory: Path, overwrite: bool = False) -> Generator[Path]:
    """A temporary folder to write into, which becomes `directory` when the block ends without an error.

    Raises InputError where `directory` exists and is not empty; with `overwrite` an earlier export gives way, and
    nothing else does.
    """
    directory = directory.expanduser().absolute()
    refuse_taken(directory, overwrite)
    if not directory.parent.is_dir():
        raise InputError(f"There is no directory {directory.parent} to write {directory.name} in: make it first.")
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    earlier = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        mode = (temporary / MANIFEST).stat().st_mode  # safetensors' own is the owner's alone
        for path in temporary.iterdir():
            path.chmod(mode)
            _sync(path)
        sync_directory(temporary)
        refuse_taken(directory, overwrite)
        if directory.exists():
            directory.replace(earlier)
        temporary.replace(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if earlier.exists() and not directory.exists():
            earlier.replace(directory)
        raise
    sync_directory(directory.parent)
    shutil.rmtree(earlier, ignore_errors=True)


def refuse_taken(directory: Path, overwrite: bool) -> None:
    """Raise InputError where something stands in the directory's place that must not give way."""
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise InputError(f"{directory} is no directory: give the name of a new one.")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not (directory / MANIFEST).is_file():
        raise InputError(f"{directory} holds files that no export wrote: give the name of a new directory.")
    if not overwrite:
        raise InputError(f"{directory} holds an export already: give another directory, or overwrite it (--overwrite).")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

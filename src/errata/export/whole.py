"""Directories that are there whole or not at all: written under a temporary name beside their own, then renamed.

One that takes the place of another is exchanged with it in one step where the system can (Linux), so that a process
that is killed leaves the one or the other. Elsewhere the old one is moved aside first.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from errata.errors import InputError
from errata.ledger.disk import sync, sync_directory
from errata.ledger.temporary import beside, sweep

MANIFEST = "errata.json"
_HERE, _EXCHANGE = -100, 2  # of Linux: AT_FDCWD, RENAME_EXCHANGE


@contextmanager
def whole(directory: Path, overwrite: bool = False) -> Generator[Path]:
    """A temporary folder to write into, which becomes `directory` when the block ends without an error.

    Raises InputError where `directory` cannot be written, or exists and is not empty; with `overwrite` an earlier
    export gives way, and nothing else does.
    """
    directory = directory.expanduser().absolute()
    refuse_taken(directory, overwrite)
    if not directory.parent.is_dir():
        raise InputError(f"There is no directory {directory.parent} to write {directory.name} in: make it first.")
    sweep(directory.parent, directory.name)
    temporary = beside(directory)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        mode = (temporary / MANIFEST).stat().st_mode  # safetensors' own is the owner's alone
        for path in temporary.iterdir():
            path.chmod(mode)
            sync(path)
        sync_directory(temporary)
        refuse_taken(directory, overwrite)
        if not directory.exists():
            temporary.replace(directory)
        elif not _exchanged(temporary, directory):
            _put_in_place(temporary, directory)
        sync_directory(directory.parent)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{directory} cannot be written ({error}): make room or allow it, or give the name of another directory."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # what was not finished, or what gave way


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


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange what two names stand for, in one step; False, with nothing done, where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    return rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _put_in_place(temporary: Path, directory: Path) -> None:
    """Rename a folder to one that exists, which is removed; if that fails the old one comes back."""
    earlier = temporary.with_suffix(".old")
    directory.replace(earlier)
    try:
        temporary.replace(directory)
    except BaseException:
        earlier.replace(directory)
        raise
    shutil.rmtree(earlier, ignore_errors=True)

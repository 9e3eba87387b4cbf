"""Temporary files and folders, named after the process that writes them, and those that a killed one left."""

from __future__ import annotations

import os
import platform
import shutil
import time
from glob import escape
from pathlib import Path

SUFFIX = ".tmp"
SECONDS_OF_A_DAY = 86_400


def beside(path: Path) -> Path:
    """Where this process writes what is to become `path`: `.NAME.MACHINE.PROCESS.tmp` in the same directory."""
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{SUFFIX}")


def sweep(directory: Path, name: str | None = None) -> None:
    """Remove what processes that are gone have left beside `name`, or any: of this machine, or a day old."""
    for path in directory.glob(f".{'*' if name is None else escape(name) + '.*'}{SUFFIX}"):
        owner, _, process = path.name.removesuffix(SUFFIX).rpartition(".")
        here = owner.endswith(f".{platform.node()}") and process.isdecimal()
        try:
            old = process.isdecimal() and time.time() - path.stat().st_mtime > SECONDS_OF_A_DAY
            if not old and (not here or _alive(int(process))):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:  # its process has just renamed it, or it is another user's
            continue


def _alive(process: int) -> bool:
    if os.name == "nt":  # Windows has no signal that only asks
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return not _ended(process)


def _ended(process: int) -> bool:
    """Whether a process has ended and only waits for its parent to hear of it, as orphans do where no init reaps."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # no Linux, or gone since
        return False
    return state in "ZX"

"""Shards of prompts and their files: written under a temporary name, then renamed, so there whole or not at all."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errata.bulk.prompts import Prompt
from errata.ledger.disk import write_durably

TEMPORARY = ".tmp"
SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of a job's prompts: what one worker does in one go."""

    number: int
    prompts: tuple[Prompt, ...]

    def path(self, directory: Path) -> Path:
        """The shard's file."""
        return directory / f"shard-{self.number:05}.parquet"


def split(prompts: Sequence[Prompt], size: int) -> tuple[Shard, ...]:
    """Shards of `size` prompts in the prompts' order; the last may be smaller."""
    starts = range(0, len(prompts), size)
    return tuple(Shard(number, tuple(prompts[at : at + size])) for number, at in enumerate(starts))


def write_once(path: Path, data: bytes) -> None:
    """Write a file that is complete as soon as its name is there; two processes that write the same do no harm."""
    write_durably(path, data, path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{TEMPORARY}"))


def sweep(directory: Path) -> None:
    """Remove the temporary files of processes that are gone: of this machine, or a day old."""
    for path in directory.glob(f".*{TEMPORARY}"):
        owner, _, process = path.name.removesuffix(TEMPORARY).rpartition(".")
        here = owner.endswith(f".{platform.node()}") and process.isdecimal()
        try:
            old = time.time() - path.stat().st_mtime > SECONDS_OF_A_DAY
            if old or (here and not _alive(int(process))):
                path.unlink()
        except FileNotFoundError:  # its process has just renamed it
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

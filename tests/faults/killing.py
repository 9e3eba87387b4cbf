"""Kill a process with SIGKILL, at a random time or at a random step, and hear what it had done before.

The process is forked, so that it has the model and all imports already. It says line by line what it does; a line that
was read is one that was written before the process died. A step is the beginning or the end of a call that touches the
disk: of a file, a directory or the database.
"""

import _io
import os
import posix
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
import torch
from tqdm.std import TqdmDefaultWriteLock

Say = Callable[[str], None]
Work = Callable[[Say], None]

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="kills forked processes, which this system does not have"
)

KILLS = "kills survived"
LONGEST = 300  # seconds after which a process that hangs ends, which fails its test

_OF_THE_SYSTEM = frozenset(
    {"open", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink", "remove", "chmod", "write"}
)
_OF_FILES = frozenset({"write", "flush", "close", "truncate", "__exit__"})
_OF_DATABASES = frozenset({"execute", "backup", "close"})
_SERIALIZERS = frozenset({"serialize", "serialize_file"})
_BEGUN, _STEPS = "begun", "steps "


@dataclass(frozen=True)
class End:
    """What a process had said, and whether it was killed or had ended by itself; `steps` it took if it ended."""

    said: list[str]
    killed: bool
    seconds: float
    steps: int


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """The same test with some kills, and with many where there is time."""
    return pytest.mark.parametrize(
        "kills", [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.faults)]
    )


def touches_disk(function: Any) -> bool:
    """Whether a builtin writes, renames or removes something, or asks the database to."""
    name, owner = function.__name__, getattr(function, "__self__", None)
    if owner is posix:
        return name in _OF_THE_SYSTEM
    if isinstance(owner, sqlite3.Connection | sqlite3.Cursor):
        return name in _OF_DATABASES
    if isinstance(owner, _io._IOBase):
        return name in _OF_FILES
    return name in _SERIALIZERS or function is open


def die() -> None:
    """End this process as a power cut would: no handler runs, nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(work: Work, seconds: float | None = None, step: int | None = None) -> End:
    """Do `work` in a process of its own, which is killed after so many seconds or at a step; in the end, or not at all.

    Fails where the work itself fails.
    """
    child, pipe = _start(work, step)
    return _end(child, pipe, seconds)


def together(works: Sequence[Work]) -> list[End]:
    """Do several pieces of work at once, each in a process of its own; fails where one of them fails."""
    started = [_start(work) for work in works]
    return [_end(child, pipe) for child, pipe in started]


def _start(work: Work, step: int | None = None) -> tuple[int, int]:
    """The process, and the pipe it says everything into."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing, step)
    os.close(writing)
    return child, reading


def _end(child: int, reading: int, seconds: float | None = None) -> End:
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.readline() == f"{_BEGUN}\n".encode()
        begun = time.perf_counter()
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        lines = pipe.read().decode().splitlines()  # up to the death of the process
        took = time.perf_counter() - begun
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the work failed: {lines[-1:]}"
    steps = int(lines[-1].removeprefix(_STEPS)) if lines and lines[-1].startswith(_STEPS) else 0
    return End(lines[:-1] if steps else lines, code != 0, took, steps)


def _work(work: Work, pipe: int, last: int | None) -> None:
    """The life of the process."""
    steps = 0

    def count(frame: FrameType, event: str, function: Any) -> None:
        nonlocal steps
        if event in ("c_call", "c_return") and touches_disk(function):
            steps += 1
            if steps == last:
                die()

    code = 1
    # All of tqdm's locks are one semaphore, shared with the parent, that stays held when its holder is killed.
    TqdmDefaultWriteLock.acquire = TqdmDefaultWriteLock.release = lambda *_, **__: None
    signal.alarm(LONGEST)
    try:
        torch.set_num_threads(1)
        os.write(pipe, f"{_BEGUN}\n".encode())
        sys.setprofile(count)
        work(lambda line: _say(pipe, line))
        sys.setprofile(None)
        _say(pipe, f"{_STEPS}{steps}")
        code = 0
    except BaseException as error:
        sys.setprofile(None)
        _say(pipe, f"{type(error).__name__}: {error}".replace("\n", " "))
    finally:
        os._exit(code)


def _say(pipe: int, line: str) -> None:
    os.write(pipe, f"{line}\n".encode())


@dataclass
class Killer:
    """Kills at places drawn from a seed: every other time at a moment, else at a step, of what a rehearsal showed."""

    rehearsal: End
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._count = 0

    def __call__(self, work: Work) -> End:
        """Do the work, and most probably kill it on the way."""
        self._count += 1
        if self._count % 2:
            return run(work, seconds=self._random.uniform(0, self.rehearsal.seconds))
        return run(work, step=self._random.randint(1, self.rehearsal.steps))

    def until(self, kills: int, works: Callable[[int], Work]) -> Iterator[tuple[int, End]]:
        """The ends of `works(1)`, `works(2)`, …, each with its number, until so many of them were killed."""
        number = killed = 0
        while killed < kills:
            number += 1
            end = self(works(number))
            yield number, end
            killed += end.killed

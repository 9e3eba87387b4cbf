"""Start bulk runs as a user does, look at their processes, and kill them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COMMAND = [sys.executable, "-m", "errata.cli", "bulk", "locate"]
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--nproc-per-node",
    "2",
    "-m",
    "errata.cli",
    "bulk",
    "locate",
]
SECONDS = 900


def start(command: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    """A command at work in a folder, one thread a process, what it prints piped."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a command, see that it ends as expected, and return what it printed."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, err
    return out


def descendants(process: int) -> list[int]:
    """Every process below one, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended meanwhile
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = list[int](), [process]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def title(process: int) -> str:
    """What a process calls itself; empty when it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def runs_on(process: int) -> bool:
    """Whether a process has not ended; one that only waits for its parent to hear of it has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(process: int) -> None:
    """SIGKILL: no process can prepare for it."""
    os.kill(process, signal.SIGKILL)


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def shards(out: Path) -> int:
    """Number of shard files that a run has written."""
    return len(list(out.glob("*/shard-*.parquet")))

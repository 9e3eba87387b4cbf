"""Files that are there whole or not at all, and what killed processes leave."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from errata.bulk import shards
from errata.bulk.prompts import Prompt
from errata.bulk.shards import Shard, split, sweep, write_once
from errata.facts import Fact

PROMPTS = tuple(Prompt(str(number), Fact("Paris", "Paris is in")) for number in range(7))


def test_split_keeps_every_prompt_in_order() -> None:
    found = split(PROMPTS, 3)
    assert [shard.number for shard in found] == [0, 1, 2]
    assert [len(shard.prompts) for shard in found] == [3, 3, 1]
    assert sum((shard.prompts for shard in found), ()) == PROMPTS
    assert Shard(12, ()).path(Path("d")) == Path("d/shard-00012.parquet")


def test_a_file_appears_under_its_name_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (seen.append([path.name for path in tmp_path.iterdir()]), sync(handle))[1]
    )
    write_once(tmp_path / "shard", b"data")
    temporary = f".shard.{platform.node()}.{os.getpid()}.tmp"
    assert seen[0] == [temporary]
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]
    assert (tmp_path / "shard").read_bytes() == b"data"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_once(tmp_path / "shard", b"data")
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_dead_processes_go_and_others_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    node = platform.node()
    dead, old = f".shard.{node}.{gone.pid}.tmp", ".shard.elsewhere.1.tmp"
    kept = {
        f".shard.{node}.{os.getpid()}.tmp",
        f".shard.elsewhere.{gone.pid}.tmp",
        ".strange.tmp",
        "shard-00000.parquet",
    }
    for name in (dead, old, *kept):
        (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / old, (0, 0))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    sweep(tmp_path / "not there")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in Linux's manner")
def test_a_process_that_ended_and_was_not_waited_for_is_dead(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    path = tmp_path / f".shard.{platform.node()}.{child}.tmp"
    path.write_bytes(b"")
    try:
        sweep(tmp_path)
        assert not path.exists()
    finally:
        os.waitpid(child, 0)


def test_a_temporary_file_may_vanish_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f".shard.{platform.node()}.1.tmp"
    path.write_bytes(b"")
    monkeypatch.setattr(shards, "_alive", lambda _: path.unlink() or False)
    sweep(tmp_path)

"""What killed processes leave is removed, and nothing else is."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from errata.ledger import temporary
from errata.ledger.temporary import beside, sweep


def test_leftovers_of_dead_processes_go_and_others_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    node = platform.node()
    dead, old = f".shard.{node}.{gone.pid}.tmp", ".shard.elsewhere.1.tmp"
    kept = {
        f".shard.{node}.{os.getpid()}.tmp",
        f".shard.elsewhere.{gone.pid}.tmp",
        ".strange.tmp",
        ".of.somebody.else.tmp",
        "shard-00000.parquet",
    }
    for name in (dead, old, *kept):
        (tmp_path / name).write_bytes(b"")
    for name in (old, ".of.somebody.else.tmp"):
        os.utime(tmp_path / name, (0, 0))
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
    monkeypatch.setattr(temporary, "_alive", lambda _: path.unlink() or False)
    sweep(tmp_path)


def test_what_is_beside_a_name_goes_and_what_is_beside_others_stays(tmp_path: Path) -> None:
    mine, other = tmp_path / f".a[1].{platform.node()}.1.tmp", tmp_path / f".b.{platform.node()}.1.tmp"
    own = beside(tmp_path / "a[1]")
    for folder in (mine, other, own):
        folder.mkdir()
        (folder / "file").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(temporary, "_alive", lambda process: process != 1)
        sweep(tmp_path, "a[1]")
    assert {path.name for path in tmp_path.iterdir()} == {other.name, own.name}

"""Runs that are killed, shared by processes, or lose a worker give the bytes of a run that nothing happened to."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import errata
from errata import bulk
from errata.bulk.local import Local
from errata.bulk.torchrun import Torchrun
from errata.datasets import pocket
from tests.bulk.conftest import Write, files, rows
from tests.bulk.processes import COMMAND, TORCHRUN, descendants, finish, kill, runs_on, shards, start, title, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in Linux's manner")

FEW, MANY = 60, 2000
Forked = Callable[[Callable[[], object]], int]


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Forked:
    """`forked(act)`: start a child that acts and ends, and return its process id."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def fork(act: Callable[[], object]) -> int:
        child = os.fork()
        if child == 0:
            try:
                act()
            finally:
                os._exit(0)
        return child

    return fork


def runs(folder: str, prompts: Path, out: Path, executor: Any = None) -> bulk.Summary:
    quick = errata.localizer("knowledge_neurons", steps=6)
    return bulk.locate(folder, prompts, out, quick, shard_size=4, executor=executor or Local(1), silent=True)


def test_three_kills_at_random_moments_leave_no_trace(
    folder: str, write: Write, tmp_path: Path, forked: Forked
) -> None:
    prompts, out = write(rows(FEW)), tmp_path / "killed"
    whole = runs(folder, prompts, tmp_path / "whole")
    for _ in range(3):
        seen = shards(out)
        child = forked(lambda: runs(folder, prompts, out))
        until(lambda seen=seen: shards(out) > seen)
        time.sleep(random.uniform(0, whole.seconds / 8))
        kill(child)
        os.waitpid(child, 0)
    last = runs(folder, prompts, out)
    assert last.located == FEW and last.computed < whole.shards
    assert files(out) == files(tmp_path / "whole")


def test_two_ranks_at_once(folder: str, write: Write, tmp_path: Path, forked: Forked) -> None:
    prompts = write(rows(FEW))
    runs(folder, prompts, tmp_path / "whole")
    ranks = [Torchrun(rank, 2) for rank in range(2)]
    children = [forked(lambda rank=rank: runs(folder, prompts, tmp_path / "shared", rank)) for rank in ranks]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert files(tmp_path / "shared") == files(tmp_path / "whole")


def test_a_pool_ends_with_its_parent_and_its_shards_stay(folder: str, write: Write, tmp_path: Path) -> None:
    prompts, out = write(rows(FEW)), tmp_path / "out"
    command = [*COMMAND, folder, prompts, "--out", out, "--steps", 6, "--shard-size", 1, "--workers", 2]
    process = start(command, tmp_path)
    until(lambda: shards(out) > 0)
    workers = descendants(process.pid)
    kill(process.pid)
    process.communicate()
    assert len(workers) >= 2
    until(lambda: not any(runs_on(worker) for worker in workers), 30)
    assert 0 < shards(out) < FEW
    quick = errata.localizer("knowledge_neurons", steps=6)
    for place, executor in ((out, Local(1)), (tmp_path / "whole", Local(1))):
        bulk.locate(folder, prompts, place, quick, shard_size=1, executor=executor, silent=True)
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["terminal", "parent"])
def test_ctrl_c_ends_a_pool_with_a_word(folder: str, write: Write, tmp_path: Path, whom: str) -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        pytest.skip("these tests run in a shell's background, where Ctrl-C is ignored")
    command = [*COMMAND, folder, write(rows(FEW)), "--out", "out", "--steps", 20, "--shard-size", 1, "--workers", 2]
    process = start(["setsid", *command] if whom == "terminal" else command, tmp_path)
    until(lambda: shards(tmp_path / "out") > 0)
    workers = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT) if whom == "terminal" else process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on with the rest" in err and "Traceback" not in err
    assert not any("spawn_main" in title(worker) for worker in workers)


@pytest.mark.slow
def test_a_lost_pool_worker_is_told_and_the_run_goes_on(folder: str, write: Write, tmp_path: Path) -> None:
    command = [*COMMAND, folder, write(rows(FEW)), "--out", "out", "--steps", 20, "--shard-size", 1, "--workers", 2]
    process = start(command, tmp_path)
    until(lambda: shards(tmp_path / "out") > 0)
    kill(next(child for child in descendants(process.pid) if "spawn_main" in title(child)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "give the same command again" in err and "Traceback" not in err
    assert "60 of 60 prompts located" in finish(start(command, tmp_path))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 2,000 prompts of the embedded model, and in `whole` a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("many")
    facts = pocket.facts("gelu")
    asked = [(row, prompt) for place in range(2) for row in facts for prompt in row.prompts[place : place + 1]][:MANY]
    lines = [{"prompt": prompt, "subject": row.subject, "answer": row.object} for row, prompt in asked]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    finish(start(large("whole"), folder))
    return folder


def large(out: str, *options: object, command: list[str] = COMMAND) -> list[object]:
    """The command of the acceptance run."""
    return [*command, "pocket-gelu", "prompts.jsonl", "--out", out, "--steps", 6, "--shard-size", 25, *options]


@pytest.mark.slow
def test_2000_prompts_killed_three_times(many: Path) -> None:
    out = many / "killed"
    for _ in range(3):
        seen, began = shards(out), time.monotonic()
        process = start(large("killed"), many)
        until(lambda seen=seen: shards(out) > seen)
        time.sleep(random.uniform(0, 8))
        assert process.poll() is None
        kill(process.pid)
        process.communicate()
        print(f"killed after {time.monotonic() - began:.1f} s with {shards(out)} shards")
    print(finish(start(large("killed"), many)))
    assert files(out) == files(many / "whole")


@pytest.mark.slow
def test_2000_prompts_through_torchrun(many: Path) -> None:
    print(finish(start(large("torchrun", "--executor", "torchrun", command=TORCHRUN), many)))
    assert files(many / "torchrun") == files(many / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("count", [FEW, MANY])
def test_prompts_through_ray_with_a_worker_killed(many: Path, count: int) -> None:
    pytest.importorskip("ray")
    whole, out = many / "whole", many / f"ray-{count}"
    lines = (many / "prompts.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    (many / f"{count}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    command = [*COMMAND, "pocket-gelu", f"{count}.jsonl", "--steps", 6, "--shard-size", 25 if count == MANY else 4]
    if count != MANY:
        whole = many / f"whole-{count}"
        finish(start([*command, "--out", whole, "--workers", 1], many))
    process = start([*command, "--out", out, "--executor", "ray", "--workers", 2, "--json"], many)
    until(lambda: shards(out) > 0)
    time.sleep(random.uniform(0, 2 if count == MANY else 0.2))
    actors = [child for child in descendants(process.pid) if "ray::Warm" in title(child)]
    assert len(actors) == 2
    kill(actors[0])
    before = shards(out)
    summary = json.loads(finish(process))
    print(f"killed an actor with {before} shards done: {summary}")
    assert before < summary["shards"] == summary["computed"] and summary["located"] == count
    assert files(out) == files(whole)


@pytest.mark.slow
def test_ray_says_what_is_wrong_in_a_worker(many: Path) -> None:
    pytest.importorskip("ray")
    command = large("wrong", "--executor", "ray", "--workers", 2, "--set", "threshold=5.0")
    done: subprocess.Popen[str] = start(command, many)
    _, err = done.communicate(timeout=300)
    assert done.returncode == 2 and "threshold 5.0" in err and len(err.strip().splitlines()) == 1
    assert not (many / "wrong").exists()

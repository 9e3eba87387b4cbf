"""Executors by name, and which process does which shard."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import errata
from errata import bulk
from errata.bulk import local, torchrun
from errata.bulk.local import Local
from errata.bulk.torchrun import Torchrun
from errata.errors import ErrataError, InputError, MissingPackageError
from tests.bulk.conftest import Write, files, rows

QUICK = errata.localizer("knowledge_neurons", steps=2)


def test_executors_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bulk.executor("local", 3) == Local(3)
    with pytest.raises(InputError, match="no executor 'slurm'"):
        bulk.executor("slurm")
    with pytest.raises(InputError, match="0 workers"):
        bulk.executor("local", 0)
    with pytest.raises(InputError, match="leave the number"):
        bulk.executor("torchrun", 2)
    monkeypatch.delitem(sys.modules, "errata.bulk.ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'errata-lm\[ray\]'"):
        bulk.executor("ray")


def test_without_pyarrow_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("errata.bulk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ErrataError, match=r"pip install 'errata-lm\[bulk\]'"):
        import errata.bulk  # noqa: F401


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "SLURM_PROCID": "9"}, Torchrun(1, 4, 1)),
        ({"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}, Torchrun(5, 8, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Torchrun(0, 1)),
    ],
)
def test_the_place_among_processes(environment: dict[str, str], expected: Torchrun) -> None:
    assert Torchrun.from_environment(environment) == expected
    assert expected.speaks == (expected.rank == 0)


@pytest.mark.parametrize(
    "environment", [{}, {"RANK": "1"}, {"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"}]
)
def test_no_place_among_processes(environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"start it with torchrun|count ranks from 0"):
        Torchrun.from_environment(environment)


def test_ranks_share_the_shards_and_need_not_talk(folder: str, write: Write, tmp_path: Path) -> None:
    prompts = write(rows(12))

    def run(out: str, executor: bulk.Executor) -> bulk.Summary:
        return bulk.locate(folder, prompts, tmp_path / out, QUICK, shard_size=2, executor=executor, silent=True)

    run("whole", Local(1))
    one = run("parts", Torchrun(1, 3))
    assert (one.computed, one.located, one.missing) == (2, 4, 4)
    zero = run("parts", Torchrun(0, 3))
    assert (zero.computed, zero.located, zero.missing) == (2, 8, 2)
    assert run("parts", Torchrun(2, 3)).missing == 0
    assert run("parts", Torchrun(0, 9)).computed == 0
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_rank_0_reports_what_it_sees_of_the_others(folder: str, write: Write, tmp_path: Path) -> None:
    reported: list[int] = []

    class Seen(Torchrun.__base__):  # type: ignore[misc,name-defined]
        speaks = True

        def run(self, work: Any, shards: Any, done: Any) -> None:
            Torchrun(1, 2).run(work, shards, lambda _: None)
            Torchrun(0, 2).run(work, shards, lambda number: (reported.append(number), done(number)))

    summary = bulk.locate(folder, write(rows(8)), tmp_path / "out", QUICK, shard_size=2, executor=Seen(), silent=True)
    assert sorted(reported) == [0, 1, 2, 3] and summary.computed == 4


def test_every_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    place = torchrun.Torchrun(5, 8, 3)
    assert [place._device(device) for device in ("cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:0", "cpu"]


def test_one_worker_a_core_and_one_on_a_gpu(
    folder: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(local, "_cores", lambda: 6)
    monkeypatch.setattr(local, "_in_pool", lambda work, shards, done, workers: asked.append(workers))
    for threads in (1, 3):
        bulk.locate(folder, write(rows(16)), tmp_path, QUICK, shard_size=2, threads=threads, silent=True)
    bulk.locate(folder, write(rows(4)), tmp_path, QUICK, shard_size=2, silent=True)
    assert asked == [6, 2, 2]

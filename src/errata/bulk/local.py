"""Shards on this machine: in this process, or in a pool of processes that end with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import final

from errata.bulk.executor import Executor
from errata.bulk.shards import Shard
from errata.bulk.worker import Work, Worker, do
from errata.errors import BulkError


@final
@dataclass(frozen=True)
class Local(Executor):
    """`workers` processes; by default as many as the CPU has cores for the job's threads, one on a GPU."""

    workers: int | None = None

    @property
    def speaks(self) -> bool:
        """Always: there is one run."""
        return True

    def run(self, work: Work, shards: Sequence[Shard], done: Callable[[int], None]) -> None:
        """Do the shards; with one worker, in this process."""
        room = max(1, _cores() // work.job.threads) if work.job.device == "cpu" else 1
        workers = min(self.workers or room, len(shards))
        if workers > 1:
            _in_pool(work, shards, done, workers)
        elif shards:
            worker = Worker(work)
            for shard in shards:
                done(worker.do(shard))


def _in_pool(work: Work, shards: Sequence[Shard], done: Callable[[int], None], workers: int) -> None:
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_attend)
    try:
        for future in as_completed([pool.submit(do, work, shard) for shard in shards]):
            done(future.result())
    except BrokenProcessPool as error:
        raise BulkError(
            f"A worker process ended by itself, perhaps for lack of memory. What is done stays in {work.directory}: "
            "give the same command again to go on, if need be with fewer --workers."
        ) from error
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _attend() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent has ended, however that came about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

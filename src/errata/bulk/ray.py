"""Shards on a Ray cluster: actors keep the model warm, and Ray hands out shards and redoes those of a lost worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, cast, final

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util import ActorPool

from errata.bulk.executor import Executor
from errata.bulk.shards import Shard
from errata.bulk.worker import Work, do
from errata.errors import BulkError, ErrataError

# How often an actor is started again, and a shard given out again, before the run is given up.
RESTARTS = 3


@final
class Warm:
    """An actor: a process that keeps its model from shard to shard."""

    def do(self, work: Work, shard: Shard) -> int:
        """Do a shard and return its number."""
        return do(work, shard)


@final
@dataclass(frozen=True)
class Ray(Executor):
    """`workers` actors on the cluster that RAY_ADDRESS names, else on one that lives as long as the run."""

    workers: int | None = None

    @property
    def speaks(self) -> bool:
        """Always: the driver does, and the actors are silent."""
        return True

    def run(self, work: Work, shards: Sequence[Shard], done: Callable[[int], None]) -> None:
        """Do the shards, each by the next actor that is free; what Ray itself has to say goes to standard error.

        Raises BulkError where an actor dies.
        """
        if not shards:
            return
        job = work.job
        unit, amount = ("CPU", job.threads) if job.device == "cpu" else ("GPU", 1)
        options: dict[str, Any] = {
            "num_cpus": job.threads,
            "num_gpus": int(unit == "GPU"),
            "max_restarts": RESTARTS,
            "max_task_retries": RESTARTS,
        }
        with redirect_stdout(sys.stderr), _cluster(None if self.workers is None else self.workers * job.threads):
            room = max(1, int(ray.cluster_resources().get(unit, 1)) // amount)
            make = cast(Any, ray.remote(**options)(Warm))
            pool = ActorPool([make.remote() for _ in range(min(self.workers or room, len(shards)))])
            try:
                for number in pool.map_unordered(lambda actor, shard: actor.do.remote(work, shard), list(shards)):
                    done(cast(int, number))
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, ErrataError) else error from None
            except RayActorError as error:
                raise BulkError(
                    f"Ray lost a worker {RESTARTS + 1} times ({str(error).splitlines()[0]}). What is done stays in "
                    f"{work.directory}: give the same command again to go on."
                ) from error


@contextmanager
def _cluster(cpus: int | None) -> Generator[None]:
    """Join the cluster of RAY_ADDRESS, or start one; one that is running in this process already is taken as it is."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()

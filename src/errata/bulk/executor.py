"""Where the shards of a run are done: the interface of executors, and their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from errata.bulk.shards import Shard
from errata.bulk.worker import Work
from errata.errors import InputError, MissingPackageError, unknown

EXECUTORS = ("local", "torchrun", "ray")


class Executor(ABC):
    """Brings shards to workers."""

    @property
    @abstractmethod
    def speaks(self) -> bool:
        """Whether this process reports for the run; of several that share one run, one does."""

    @abstractmethod
    def run(self, work: Work, shards: Sequence[Shard], done: Callable[[int], None]) -> None:
        """Do these shards, in any order, and tell `done` the number of each whose file is there.

        Returns when this process's part is done. Raises BulkError when workers were lost too often to go on.
        """


def executor(name: str, workers: int | None = None) -> Executor:
    """An executor by name; `workers` is its number of processes, by default as many as there is room for.

    Raises InputError for an unknown name or a number that cannot be, MissingPackageError without the package for it.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot do anything: give at least 1.")
    if name == "local":
        from errata.bulk.local import Local

        return Local(workers)
    if name == "torchrun":
        from errata.bulk.torchrun import Torchrun

        if workers is not None:
            raise InputError("torchrun and Slurm start the processes themselves: leave the number of workers to them.")
        return Torchrun.from_environment()
    if name == "ray":
        try:
            from errata.bulk.ray import Ray
        except ModuleNotFoundError as error:
            raise MissingPackageError("Ray is not installed: pip install 'errata-lm[ray]'") from error
        return Ray(workers)
    raise unknown("executor", name, EXECUTORS)

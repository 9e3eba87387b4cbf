"""Shards of processes that something else has started, torchrun or Slurm: every one does its own, without a word."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch

from errata.bulk.executor import Executor
from errata.bulk.shards import Shard
from errata.bulk.worker import Work, Worker
from errata.errors import InputError

# Rank, number of processes, rank on this machine: as torchrun names them, as Slurm does.
NAMES = (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"))


@final
@dataclass(frozen=True)
class Torchrun(Executor):
    """Process `rank` of `world`: shard i belongs to process i modulo `world`."""

    rank: int
    world: int
    local_rank: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Torchrun:
        """The process that torchrun's variables, or Slurm's, say this is; raises InputError without them."""
        for rank, world, local in NAMES:
            if rank in environment and world in environment:
                found = environment[rank], environment[world], environment.get(local, "0")
                if not all(value.isdecimal() for value in found) or int(found[0]) >= int(found[1]):
                    raise InputError(f"{rank}={found[0]} and {world}={found[1]} name no process: count ranks from 0.")
                return cls(*map(int, found))
        raise InputError(
            "This process has no RANK and WORLD_SIZE (torchrun) and no SLURM_PROCID and SLURM_NTASKS (srun): start it "
            "with torchrun --nproc-per-node N -m errata.cli bulk locate …, or take another executor."
        )

    @property
    def speaks(self) -> bool:
        """Rank 0 does."""
        return self.rank == 0

    def run(self, work: Work, shards: Sequence[Shard], done: Callable[[int], None]) -> None:
        """Do this process's shards; rank 0 also reports the files of the others that it sees."""
        own = [shard for shard in shards if shard.number % self.world == self.rank]
        others = [shard for shard in shards if shard.number % self.world != self.rank]
        worker = Worker(replace(work, device=self._device(work.device))) if own else None
        for shard in own:
            if worker is not None:
                done(worker.do(shard))
            if self.speaks:
                seen = [other for other in others if other.path(work.directory).exists()]
                others = [other for other in others if other not in seen]
                for other in seen:
                    done(other.number)

    def _device(self, device: str) -> str:
        """A GPU of its own for every process of a machine, where there are several."""
        return f"cuda:{self.local_rank % torch.cuda.device_count()}" if device == "cuda" else device

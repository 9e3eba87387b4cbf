"""Shards of prompts and their files: written under a temporary name, then renamed, so there whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errata.bulk.prompts import Prompt
from errata.ledger.disk import write_durably
from errata.ledger.temporary import beside


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of a job's prompts: what one worker does in one go."""

    number: int
    prompts: tuple[Prompt, ...]

    def path(self, directory: Path) -> Path:
        """The shard's file."""
        return directory / f"shard-{self.number:05}.parquet"


def split(prompts: Sequence[Prompt], size: int) -> tuple[Shard, ...]:
    """Shards of `size` prompts in the prompts' order; the last may be smaller."""
    starts = range(0, len(prompts), size)
    return tuple(Shard(number, tuple(prompts[at : at + size])) for number, at in enumerate(starts))


def write_once(path: Path, data: bytes) -> None:
    """Write a file that is complete as soon as its name is there; two processes that write the same do no harm."""
    write_durably(path, data, beside(path))

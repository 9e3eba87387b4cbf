"""What a bulk run has written, read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from errata.bulk.job import FILE, Job
from errata.bulk.shards import Shard
from errata.bulk.table import COLUMNS, KEY, SHAPE
from errata.errors import UNREADABLE, InputError
from errata.neurons import NeuronSet


@dataclass(frozen=True, slots=True)
class Results:
    """The directory of one job; while the run goes on, what it has so far."""

    directory: Path
    job: Job

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the shards that are not there yet."""
        return tuple(number for number in range(self.job.shards) if not self._path(number).exists())

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """One table a shard, in the prompts' order; raises InputError for a file that is not this job's."""
        for number in range(self.job.shards):
            path = self._path(number)
            if path.exists():
                try:
                    with pq.ParquetFile(path) as file:
                        metadata = file.schema_arrow.metadata or {}
                        if not file.schema_arrow.equals(COLUMNS):
                            raise ValueError("its columns are not a shard's")
                        table = file.read(columns)
                except UNREADABLE as error:
                    raise InputError(f"{path} cannot be read ({error}): delete it and run the job again.") from error
                if metadata.get(KEY) != self.job.key.encode():
                    raise InputError(f"{path} belongs to another job: delete it and run this one again.")
                yield table

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """All rows as one table, in the prompts' order."""
        tables = list(self.tables(columns))
        return pa.concat_tables(tables) if tables else COLUMNS.empty_table().select(columns or COLUMNS.names)

    def neurons(self) -> Iterator[tuple[str, NeuronSet]]:
        """Id and kept neurons of every prompt that did not fail; raises InputError for shards that hold none."""
        for table in self.tables(["id", "layers", "indices", "gap", "error"]):
            try:
                n_layers, d_ff = map(int, table.schema.metadata[SHAPE].split())
                for row in table.to_pylist():
                    if row["error"] is None:
                        members = frozenset(zip(row["layers"], row["indices"], strict=True))
                        yield row["id"], NeuronSet(n_layers, d_ff, members, row["gap"])
            except (*UNREADABLE, InputError) as error:
                raise InputError(
                    f"A shard in {self.directory} holds no neurons ({error}): delete its shards and run the job again."
                ) from error

    def failures(self) -> Iterator[tuple[str, str]]:
        """Id and error of every prompt that failed."""
        for table in self.tables(["id", "error"]):
            for row in table.to_pylist():
                if row["error"] is not None:
                    yield row["id"], row["error"]

    def counts(self) -> tuple[int, int]:
        """How many prompts were located, and how many failed."""
        rows = errors = 0
        for table in self.tables(["error"]):
            rows += table.num_rows
            errors += table.num_rows - table.column("error").null_count
        return rows - errors, errors

    def _path(self, number: int) -> Path:
        return Shard(number, ()).path(self.directory)


def read(directory: str | Path) -> Results:
    """The results in a run's directory, or in the directory given as `out` when one job is in there.

    Raises InputError for none, or for several.
    """
    directory = Path(directory)
    if (directory / FILE).is_file():
        return Results(directory, Job.load(directory))
    jobs = sorted(path.parent for path in directory.glob(f"*/{FILE}"))
    if len(jobs) != 1:
        found = ", ".join(map(str, jobs)) or "none"
        raise InputError(f"Expected one bulk run in {directory} and found {found}: give the directory of one.")
    return Results(jobs[0], Job.load(jobs[0]))

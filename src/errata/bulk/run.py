"""A bulk run: plan the job, do the shards that are missing, say what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from errata.bulk.executor import Executor
from errata.bulk.job import Job, current_versions
from errata.bulk.keep import Keep
from errata.bulk.local import Local
from errata.bulk.prompts import Prompt, prompts_sha256, read_prompts
from errata.bulk.results import Results
from errata.bulk.shards import split
from errata.bulk.worker import Work
from errata.errors import InputError, unknown
from errata.ledger.temporary import sweep
from errata.methods import Localizer, settings_of
from errata.model.identity import identify
from errata.model.load import DTYPES

SHARD_SIZE = 128
KEY_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did and what its directory holds now.

    `located` and `failed` count prompts of finished shards; `missing` counts shards that other processes of the same
    run are still to write; `computed` counts the shards that this run has added.
    """

    directory: Path
    prompts: int
    located: int
    failed: int
    shards: int
    computed: int
    missing: int
    seconds: float


def locate(
    model: str,
    prompts: str | Path,
    out: str | Path,
    localizer: Localizer,
    *,
    keep: Keep | None = None,
    shard_size: int = SHARD_SIZE,
    threads: int = 1,
    dtype: str | None = None,
    device: str = "cpu",
    executor: Executor | None = None,
    silent: bool = False,
) -> Summary:
    """Localize every prompt of a file into `out`/KEY, where KEY names all that the results depend on.

    Shards whose files are there are not done again: a run that was stopped goes on when it is started again.
    Raises InputError for options, a file or a model that cannot be used, BulkError for workers lost too often.
    """
    began = time.monotonic()
    executor = executor or Local()
    rows = read_prompts(prompts)
    job = plan(model, rows, localizer, keep or Keep(), shard_size, threads, dtype, device)
    directory = Path(out).absolute() / job.key[:KEY_DIGITS]
    sweep(directory)
    shards = split(rows, shard_size)
    missing = {shard.number: shard for shard in shards if not shard.path(directory).exists()}
    todo = tuple(missing.values())
    with tqdm(
        total=len(rows),
        initial=len(rows) - sum(len(shard.prompts) for shard in todo),
        desc="locating",
        unit="prompt",
        smoothing=0,
        disable=True if silent or not executor.speaks else None,
    ) as bar:

        def done(number: int) -> None:
            bar.update(len(missing.pop(number).prompts))

        executor.run(Work(directory, device, job, localizer), todo, done)
    results = Results(directory, job)
    located, failed = results.counts()
    return Summary(
        directory=directory,
        prompts=len(rows),
        located=located,
        failed=failed,
        shards=len(shards),
        computed=len(todo) - len(missing),
        missing=len(results.missing),
        seconds=time.monotonic() - began,
    )


def plan(
    model: str,
    prompts: tuple[Prompt, ...],
    localizer: Localizer,
    keep: Keep,
    shard_size: int,
    threads: int,
    dtype: str | None,
    device: str,
) -> Job:
    """The job of a run; raises InputError for what can be seen to be wrong without loading the model."""
    for name, number in (("prompts a shard", shard_size), ("threads a worker", threads)):
        if number < 1:
            raise InputError(f"{number} {name} cannot be: give at least 1.")
    if dtype is not None and dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r}: give cpu, or cuda where PyTorch finds one.") from error
    identity = identify(model)
    return Job(
        model=identity.name,
        weights=identity.weights,
        dtype=dtype,
        device=kind,
        method=localizer.name,
        settings=settings_of(localizer),
        keep=keep,
        threads=threads,
        shard_size=shard_size,
        count=len(prompts),
        prompts=prompts_sha256(prompts),
        versions=current_versions(),
    )

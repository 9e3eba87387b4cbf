"""A worker: one loaded model that turns shards into files, the same bytes wherever it runs."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast, final

import torch

from errata.bulk.job import FILE, Job
from errata.bulk.shards import Shard, write_once
from errata.bulk.table import encode, row_of
from errata.errors import InputError
from errata.facts import Fact
from errata.methods import Localizer
from errata.model.load import load
from errata.model.tokens import encode_fact, longest_row
from errata.model.view import ModelView
from errata.neurons import Attribution

# Tokens to leave room for where the model's own answer is attributed.
ANSWER_TOKENS = 12

# A fact that any model can be asked: what is refused with it is the settings, not a prompt.
TRIAL = Fact("France", "The capital of {} is", answer="Paris")


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker is told once; equal for one job on one device, whose directory bears its key."""

    directory: Path
    device: str
    job: Job = field(compare=False)
    localizer: Localizer = field(compare=False)


@final
class Worker:
    """A model, loaded, and the work to do with it.

    Raises InputError when the model cannot be loaded or the localizer's settings are wrong, before anything is written.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.view = load(work.job.model, work.job.dtype, work.device, work.job.revision)
        with _threads(work.job.threads):
            work.localizer.attribute(self.view, [TRIAL])
        work.directory.mkdir(parents=True, exist_ok=True)
        if not (work.directory / FILE).exists():
            write_once(work.directory / FILE, work.job.to_json().encode())

    def do(self, shard: Shard) -> int:
        """Write a shard's file and return the shard's number."""
        with _threads(self.work.job.threads), redirect_stderr(cast(Any, _NoTerminal(sys.stderr))):
            found = _attribute(self.view, self.work.localizer, [prompt.fact for prompt in shard.prompts])
        job, pairs = self.work.job, zip(shard.prompts, found, strict=True)
        rows = [row_of(prompt, outcome, job.keep) for prompt, outcome in pairs]
        data = encode(rows, job.key, self.view.n_layers, self.view.d_ff)
        write_once(shard.path(self.work.directory), data)
        return shard.number


def do(work: Work, shard: Shard) -> int:
    """Do a shard in a process that loads the model once, for its first shard."""
    return _worker(work).do(shard)


@lru_cache(maxsize=1)
def _worker(work: Work) -> Worker:
    return Worker(work)


def _attribute(view: ModelView, localizer: Localizer, facts: Sequence[Fact]) -> list[Attribution | InputError]:
    """Attribute all facts at once; where one fails, halve them until it stands alone with its error."""
    try:
        for fact in facts:
            _check_fits(view, fact)
        return list(localizer.attribute(view, facts))
    except InputError as error:
        if len(facts) == 1:
            return [error]
        middle = len(facts) // 2
        return [
            *_attribute(view, localizer, facts[:middle]),
            *_attribute(view, localizer, facts[middle:]),
        ]


def _check_fits(view: ModelView, fact: Fact) -> None:
    """Refuse a prompt that, with its answer, is longer than the positions the model was made for."""
    limit = longest_row(view.model)
    room = 0 if fact.answer else ANSWER_TOKENS
    length = len(encode_fact(view.tokenizer, fact, fact.answer or "").ids) + room
    if limit is not None and length > limit:
        raise InputError(
            f"The prompt that begins {fact.text[:40]!r} has {length} tokens with its answer and the model reads "
            f"{limit}: give a shorter prompt."
        )


@contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@final
class _NoTerminal:
    """A stream that says it is no terminal, so that a localizer's own bar stays out of the run's."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

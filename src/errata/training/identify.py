"""Attributions of a data set's prompts, in files that are written once: what detectors learn from.

Shards of facts are attributed one after another, or in several processes, and each is a file of errata.detectors
.strengths whose name is a hash of all that it depends on. What is there is not done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from errata.detectors.strengths import A_LAYER, FLOOR, Strengths
from errata.facts import Fact
from errata.ledger.disk import write_durably
from errata.methods import Localizer, settings_of, versions
from errata.model.identity import identify as identify_model
from errata.model.load import load
from errata.model.view import ModelView

A_SHARD = 480


@dataclass(frozen=True)
class Identified:
    """A row for every prompt, and the seconds that all of it took, summed over processes, whenever it was done."""

    strengths: Strengths
    seconds: float


def identify(
    model: str,
    facts: Sequence[Fact],
    localizer: Localizer,
    folder: Path,
    workers: int = 1,
    silent: bool = False,
) -> Identified:
    """One row of strengths for every fact, in order; files in `folder` are read instead of being made again.

    `workers` processes of one thread each share the shards. Raises InputError for facts the localizer refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = json.dumps(
        {
            "model": identify_model(model).weights,
            "method": localizer.name,
            "settings": {name: value for name, value in settings_of(localizer).items() if name != "threshold"},
            "kept": [FLOOR, A_LAYER],
            "versions": versions(),
        },
        sort_keys=True,
    )
    shards = [tuple(facts[at : at + A_SHARD]) for at in range(0, len(facts), A_SHARD)]
    paths = [folder / f"{_key(base, shard)}.safetensors" for shard in shards]
    missing = [(path, shard) for path, shard in zip(paths, shards, strict=True) if not path.exists()]
    done = len(facts) - sum(len(shard) for _, shard in missing)
    with tqdm(
        total=len(facts), initial=done, desc="identifying neurons", unit="prompt", disable=silent or None, smoothing=0
    ) as bar:
        if workers > 1 and len(missing) > 1:
            with ProcessPoolExecutor(min(workers, len(missing)), get_context("spawn")) as pool:
                for count in pool.map(partial(_do_alone, model, localizer), missing):
                    bar.update(count)
        elif missing:
            view = load(model)
            for path, shard in missing:
                bar.update(_do(view, localizer, path, shard))
    files = [Strengths.load(path) for path in paths]
    return Identified(Strengths.joined([rows for rows, _ in files]), sum(header["seconds"] for _, header in files))


def _do_alone(model: str, localizer: Localizer, work: tuple[Path, tuple[Fact, ...]]) -> int:
    torch.set_num_threads(1)
    return _do(load(model), localizer, *work)


def _do(view: ModelView, localizer: Localizer, path: Path, facts: tuple[Fact, ...]) -> int:
    began = time.monotonic()
    found = Strengths.of([attribution.scores for attribution in localizer.attribute(view, facts)])
    write_durably(path, found.to_bytes(prompts=len(facts), seconds=round(time.monotonic() - began, 3)))
    return len(facts)


def _key(base: str, facts: Sequence[Fact]) -> str:
    digest = hashlib.sha256(base.encode())
    for fact in facts:
        digest.update(json.dumps(asdict(fact), sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()[:32]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

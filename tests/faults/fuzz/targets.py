"""One function a loader: bytes go in, and a value or an ErrataError comes out; anything else is a fault.

What is loaded is used as the rest of Errata would use it, so that a value of the wrong kind is found here already.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save

from errata.bulk.job import Job
from errata.bulk.keep import Keep
from errata.bulk.prompts import prompts_sha256, read_prompts
from errata.datasets import pararel_files, phrasings
from errata.datasets.catalog import LAYOUTS
from errata.datasets.check import check
from errata.datasets.records import document, objects
from errata.deltas import FORMAT as EDIT
from errata.deltas import Edit
from errata.detectors.strengths import Strengths
from errata.detectors.trained import FORMAT as DETECTOR
from errata.detectors.trained import Trained
from errata.errors import UNREADABLE, ErrataError
from errata.evaluation import results
from errata.evaluation.contrast import contrast
from errata.evaluation.kept import kept
from errata.evaluation.task_files import items_of
from errata.export import adapter_file
from errata.export.manifest import Manifest
from errata.ledger.records import CHECKUPS, entry_of
from errata.neurons import NeuronSet
from errata.reports.correction.course import checkups
from errata.reproduce.leaderboard import plan

Target = Callable[[bytes], object]


def refused_clearly(target: Target, data: bytes) -> bool:
    """Whether the target refuses the bytes, with a sentence; raises what is no ErrataError."""
    try:
        target(data)
    except ErrataError as error:
        assert str(error).strip()
        return True
    return False


@cache
def folder() -> Path:
    """A folder of this process, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    place = tempfile.TemporaryDirectory(prefix="errata-fuzz-", dir=shared if shared.is_dir() else None)
    FOLDERS.append(place)
    return Path(place.name)


FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _written(data: bytes, name: str = "input") -> Path:
    path = folder() / str(os.getpid()) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


def data_set(data: bytes) -> object:
    """A file of records, in the layout that its first byte chooses."""
    names = sorted(LAYOUTS)
    return check(_written(data[1:]), names[data[0] % len(names)]) if data else None


def pairs(data: bytes) -> object:
    """knowledge-neurons' pairs, ParaRel's templates and a file of phrasings."""
    path = _written(data, "query_pairs.json")
    _written(data, "patterns.jsonl")
    for read in (pararel_files.pairs, pararel_files.templates):
        refused_clearly(lambda _: read(path.parent), b"")  # noqa: B023  # called here
    refused_clearly(lambda _: phrasings.read(path), b"")
    return document(path)


def tasks(data: bytes) -> object:
    """A task file."""
    return items_of(objects(_written(data)))


def prompts(data: bytes) -> object:
    """A file of prompts for a bulk run."""
    found = read_prompts(_written(data))
    return [prompt.fact.key for prompt in found], prompts_sha256(found)


def result_lines(data: bytes) -> object:
    """The results of an evaluation, held against themselves and written again."""
    found = results.read(_written(data))
    again = results.from_lines(results.to_lines(found))
    assert again == found
    return contrast(found, again) if len(found.rows) <= 8 else None


def leaderboard(data: bytes) -> object:
    """A leaderboard's TOML file."""
    found = plan.read(_written(data, "board.toml"))
    return [data.where for data in found.data], [method.build().name for method in found.methods]


def neuron_set(data: bytes) -> object:
    """A neuron set."""
    found = NeuronSet.load(_written(data))
    return len(found | found), found.jaccard(found), list(found)


def adapter_config(data: bytes) -> object:
    """The configuration beside an adapter's weights."""
    path = _written(data, adapter_file.CONFIG)
    tensors = {f"base_model.model.M{end}": torch.ones(2, 2) for end in (adapter_file.A, adapter_file.B)}
    (path.parent / adapter_file.WEIGHTS).write_bytes(save(tensors))
    return adapter_file.load(path.parent)


def manifest(data: bytes) -> object:
    """errata.json of an export."""
    path = _written(data, "errata.json")
    found = Manifest.load(path.parent)
    found.refuse_changed(path.parent)
    return found.facts, found.truncated, found.base.on_hub, json.dumps(found.to_dict())


def job(data: bytes) -> object:
    """The job of a bulk run, with its key made anew where it is an object, so that the fields are looked at."""
    path = _written(_with_key(data), "job.json")
    found = Job.load(path.parent)
    return found.shards, found.revision


def _with_key(data: bytes) -> bytes:
    try:
        row = json.loads(data)
        fields = {name: value for name, value in row.items() if name not in ("format", "key")}
        return json.dumps({**row, "key": Job(**{**fields, "keep": Keep(**row["keep"])}).key}).encode()
    except (*UNREADABLE, ErrataError):
        return data


def edit_header(data: bytes) -> object:
    """The header of an edit's file, over sound tensors."""
    tensors = {"0.left": torch.ones(2, 1), "0.right": torch.ones(1, 2), "state.keys.0": torch.ones(1, 2)}
    found = Edit.load(_written(save(tensors, {EDIT: data.decode("utf-8", errors="replace")})))
    for fact in found.facts:
        kept(found, fact)
    return found.to_bytes()


def edit_bytes(data: bytes) -> object:
    """An edit's file as it lies there: the length of the header, the header, the numbers."""
    return Edit.load(_written(data)).to_bytes()


def detector_header(data: bytes) -> object:
    """The header of a detector's file, over sound tensors."""
    header = {"format": DETECTOR, "header": data.decode("utf-8", errors="replace")}
    tensors = {"encode": torch.ones(2, 3, 1), "decode": torch.ones(2, 1, 3), "memory": torch.ones(2, 1)}
    found = Trained.load(_written(save(tensors, header)))
    return found.provenance.get("model"), torch.tensor(found.answer.get("layers", [0.0]))


def strengths_header(data: bytes) -> object:
    """The header of a file of strengths, over sound tensors."""
    header = {"format": "errata-strengths-1", "header": data.decode("utf-8", errors="replace")}
    tensors = {"starts": torch.tensor([0, 2]), "neurons": torch.tensor([0, 1]).int(), "values": torch.ones(2)}
    found, _ = Strengths.load(_written(save(tensors, header)))
    return list(found.sets())


def ledger_row(data: bytes) -> object:
    """A row of a ledger's edits: facts, layers, ranks and file name, parted by line feeds."""
    facts, layers, ranks, file = (_text(data).split("\n", 3) + [""] * 4)[:4]
    row = (1, "rome", facts, 1, "2026-01-01T00:00:00.000+00:00", 1.0, layers, ranks, file, "0" * 64)
    entry = entry_of(row, Path("ledger"))
    return [fact.key for fact in entry.facts], sum(entry.layers), (Path("deltas") / entry.file).parent.name == "deltas"


def health(data: bytes) -> object:
    """The checkups in a ledger's directory."""
    rows = checkups(_written(data, CHECKUPS).parent, range(10))
    return [f"{row['perplexity'] or 0.0:.2f} {(row['known'] or {'mean': 0.0})['mean']:.3f}" for row in rows]


TARGETS: Mapping[str, Target] = {
    one.__name__: one
    for one in (
        *(data_set, pairs, tasks, prompts, result_lines, leaderboard, neuron_set, adapter_config, manifest, job),
        *(edit_header, edit_bytes, detector_header, strengths_header, ledger_row, health),
    )
}

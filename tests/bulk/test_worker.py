"""A worker's file: the dense attribution's numbers, and rows that fail without losing the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import errata
from errata.bulk.job import Job
from errata.bulk.keep import Keep
from errata.bulk.prompts import read_prompts
from errata.bulk.run import plan
from errata.bulk.shards import Shard
from errata.bulk.worker import Work, Worker
from errata.errors import InputError, TokenError
from errata.facts import Fact
from errata.methods import Localizer
from errata.model.view import ModelView
from errata.neurons import Attribution
from tests.bulk.conftest import Write, files, rows
from tests.tiny import D_FF, LAYERS


@dataclass(frozen=True)
class Picky(Localizer):
    """Refuses every fact about Italy."""

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        if any(fact.subject == "Italy" for fact in facts):
            raise TokenError("not Italy")
        return errata.localizer("knowledge_neurons", steps=3).attribute(view, facts)


def work(folder: str, prompts: Path, out: Path, localizer: Localizer, keep: Keep | None = None) -> tuple[Work, Shard]:
    found = read_prompts(prompts)
    job: Job = plan(folder, found, localizer, keep or Keep(), len(found), 1, None, "cpu")
    return Work(out, "cpu", job, localizer), Shard(0, found)


def test_the_file_holds_what_the_dense_attribution_has(folder: str, write: Write, tmp_path: Path) -> None:
    localizer = errata.localizer("knowledge_neurons", steps=5)
    given = [*rows(6), {"prompt": "The capital of France is"}]
    told, shard = work(folder, write(given), tmp_path / "out", localizer, Keep(above=0.3))
    assert Worker(told).do(shard) == 0
    table = pq.ParquetFile(shard.path(tmp_path / "out")).read()
    dense = localizer.attribute(errata.load(folder), [prompt.fact for prompt in shard.prompts])
    for row, prompt, found in zip(table.to_pylist(), shard.prompts, dense, strict=True):
        assert (row["id"], row["prompt"], row["answer"], row["error"]) == (
            prompt.id,
            prompt.fact.text,
            found.answer,
            None,
        )
        pairs = list(zip(row["layers"], row["indices"], strict=True))
        assert row["kept"] == len(pairs) == len(row["scores"]) > 0
        assert torch.tensor(row["scores"]).allclose(torch.stack([found.scores[at] for at in pairs]), atol=1e-7)
        assert row["maximum"] == pytest.approx(float(found.scores.max()), rel=1e-4)
        assert row["sums"] == pytest.approx(found.scores.double().sum(-1).tolist(), rel=1e-3, abs=1e-7)
        assert row["change"] == pytest.approx(found.change.tolist(), rel=1e-3, abs=1e-7)
        distance = max(abs(total - change) for total, change in zip(row["sums"], row["change"], strict=True))
        assert row["gap"] == pytest.approx(distance, abs=1e-7)
    assert table.schema.metadata[b"errata.job"] == told.job.key.encode()
    assert table.schema.metadata[b"errata.shape"] == f"{LAYERS} {D_FF}".encode()


def test_the_bytes_are_the_same_again(folder: str, write: Write, tmp_path: Path) -> None:
    localizer = errata.localizer("knowledge_neurons", steps=3)
    for out in ("one", "two"):
        told, shard = work(folder, write(rows(5)), tmp_path / out, localizer)
        Worker(told).do(shard)
    assert files(tmp_path / "one") == files(tmp_path / "two") != {}


def test_a_row_that_fails_is_recorded_and_the_others_are_done(folder: str, write: Write, tmp_path: Path) -> None:
    given = [
        *rows(8),
        {"prompt": "France " * 200, "id": "long"},
        {"prompt": "France " * 200, "answer": "x", "id": "also"},
    ]
    told, shard = work(folder, write(given), tmp_path / "out", Picky())
    Worker(told).do(shard)
    found = {row["id"]: row for row in pq.ParquetFile(shard.path(tmp_path / "out")).read().to_pylist()}
    errors = {name: row["error"] for name, row in found.items() if row["error"] is not None}
    assert {name for name, error in errors.items() if error == "not Italy"} == {"p4", "p5", "p6", "p7"}
    assert all("the model reads 128" in errors[name] for name in ("long", "also"))
    for name, row in found.items():
        assert (row["maximum"] is None) == (row["scores"] is None) == (row["gap"] is None) == (name in errors)


def test_wrong_settings_and_models_are_refused_before_anything_is_written(
    folder: str, write: Write, tmp_path: Path
) -> None:
    wrong = errata.localizer("knowledge_neurons", threshold=5.0)
    told, _ = work(folder, write(rows(2)), tmp_path / "out", wrong)
    with pytest.raises(InputError, match="threshold"):
        Worker(told)
    assert not (tmp_path / "out").exists()


def test_threads_are_the_jobs_while_it_works_and_the_callers_afterwards(
    folder: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    @dataclass(frozen=True)
    class Counting(Localizer):
        def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
            seen.append(torch.get_num_threads())
            return errata.localizer("knowledge_neurons", steps=2).attribute(view, facts)

    before = torch.get_num_threads()
    told, shard = work(folder, write(rows(2)), tmp_path / "out", Counting())
    monkeypatch.setattr(torch, "get_num_threads", torch.get_num_threads)
    torch.set_num_threads(2)
    try:
        Worker(told).do(shard)
        assert seen[-1] == 1 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

"""A run: only what is missing is done, and another job goes elsewhere."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

import errata
from errata import bulk
from errata.bulk.worker import Worker
from errata.errors import InputError
from errata.neurons import NeuronSet
from tests.bulk.conftest import Write, files, rows

QUICK = errata.localizer("knowledge_neurons", steps=2)
HERE = bulk.executor("local", 1)


def run(folder: str, prompts: Path, out: Path, **more: Any) -> bulk.Summary:
    return bulk.locate(folder, prompts, out, QUICK, **{"shard_size": 4, "executor": HERE, "silent": True, **more})


def test_a_run_and_what_it_says(folder: str, write: Write, tmp_path: Path) -> None:
    summary = run(folder, write(rows(10)), tmp_path / "out")
    assert (summary.prompts, summary.located, summary.failed) == (10, 10, 0)
    assert (summary.shards, summary.computed, summary.missing) == (3, 3, 0)
    assert sorted(files(summary.directory)) == ["job.json", *(f"shard-0000{number}.parquet" for number in range(3))]
    assert summary.directory == tmp_path / "out" / bulk.read(tmp_path / "out").job.key[:16]


def test_only_missing_shards_are_done(
    folder: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = write(rows(10))
    directory = run(folder, prompts, tmp_path / "out").directory
    whole = files(directory)
    (directory / "shard-00001.parquet").unlink()
    (directory / "job.json").unlink()
    done: list[int] = []
    do = Worker.do
    monkeypatch.setattr(Worker, "do", lambda self, shard: (done.append(shard.number), do(self, shard))[1])
    summary = run(folder, prompts, tmp_path / "out")
    assert done == [1] and (summary.computed, summary.located) == (1, 10)
    assert files(directory) == whole
    monkeypatch.setattr(Worker, "__init__", None)  # nothing to do: no model is loaded
    assert run(folder, prompts, tmp_path / "out").computed == 0


def test_another_job_has_another_directory(folder: str, write: Write, tmp_path: Path) -> None:
    first = run(folder, write(rows(4)), tmp_path / "out").directory
    others = [
        run(folder, write(rows(4)), tmp_path / "out", keep=bulk.Keep(top=3)).directory,
        run(folder, write(rows(4)), tmp_path / "out", shard_size=3).directory,
        run(folder, write(rows(4)), tmp_path / "out", dtype="float32").directory,
        run(folder, write(rows(3)), tmp_path / "out").directory,
    ]
    assert len({first, *others}) == 5
    with pytest.raises(InputError, match="Expected one bulk run"):
        bulk.read(tmp_path / "out")
    assert bulk.read(others[0]).job.keep == bulk.Keep(top=3)


def test_results_give_neuron_sets_and_failures(folder: str, write: Write, tmp_path: Path) -> None:
    prompts = write([*rows(5), {"id": "long", "prompt": "France " * 200}])
    summary = run(folder, prompts, tmp_path / "out", keep=bulk.Keep(top=6))
    assert (summary.located, summary.failed) == (5, 1)
    results = bulk.read(tmp_path / "out")
    found = dict(results.neurons())
    assert list(found) == [f"p{number}" for number in range(5)]
    dense = QUICK.attribute(errata.load(folder), [prompt.fact for prompt in bulk.read_prompts(prompts)[:5]])
    for neurons, attribution in zip(found.values(), dense, strict=True):
        assert neurons.members == NeuronSet.top(attribution.scores, 6).members
        assert neurons.gap == pytest.approx(attribution.gap, abs=1e-6)
    ((name, error),) = results.failures()
    assert name == "long" and "the model reads 128" in error
    assert results.table(["id"]).column("id").to_pylist() == [*found, "long"]
    assert results.missing == ()


def test_duckdb_reads_the_files(folder: str, write: Write, tmp_path: Path) -> None:
    run(folder, write(rows(10)), tmp_path / "out", keep=bulk.Keep(top=5))
    shards = tmp_path / "out" / "*" / "shard-*.parquet"
    pairs = f"SELECT unnest(layers) AS layer, unnest(indices) AS index FROM '{shards}'"
    counts = duckdb.sql(f"SELECT layer, index, count(*) FROM ({pairs}) GROUP BY ALL").fetchall()
    expected: dict[tuple[int, int], int] = {}
    for _, neurons in bulk.read(tmp_path / "out").neurons():
        for neuron in neurons:
            expected[neuron] = expected.get(neuron, 0) + 1
    assert {(layer, index): count for layer, index, count in counts} == expected
    assert duckdb.sql(f"SELECT count(*), sum(kept) FROM '{shards}' WHERE error IS NULL").fetchall() == [(10, 50)]


def test_a_foreign_or_damaged_shard_is_told(folder: str, write: Write, tmp_path: Path) -> None:
    one = run(folder, write(rows(4)), tmp_path / "one").directory / "shard-00000.parquet"
    two = run(folder, write(rows(3)), tmp_path / "two").directory / "shard-00000.parquet"
    one.write_bytes(two.read_bytes())
    with pytest.raises(InputError, match="belongs to another job"):
        bulk.read(tmp_path / "one").table()
    one.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="delete it"):
        bulk.read(tmp_path / "one").table()


def test_an_empty_or_unfinished_directory(folder: str, write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        bulk.read(tmp_path)
    directory = run(folder, write(rows(4)), tmp_path / "out").directory
    (directory / "shard-00000.parquet").unlink()
    results = bulk.read(directory)
    assert results.missing == (0,)
    assert results.table(["id", "gap"]).column_names == ["id", "gap"] and results.table().num_rows == 0


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"shard_size": 0}, "prompts a shard"),
        ({"threads": 0}, "threads a worker"),
        ({"dtype": "float8"}, "no dtype"),
        ({"device": "tpu9"}, "no device"),
    ],
)
def test_options_that_cannot_be(folder: str, write: Write, tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        run(folder, write(rows(2)), tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_a_method_without_a_gap_leaves_change_and_gap_empty(folder: str, write: Write, tmp_path: Path) -> None:
    refined = errata.localizer("kn_refined", localizer=QUICK)
    summary = bulk.locate(folder, write(rows(4)), tmp_path / "out", refined, executor=HERE, silent=True)
    assert (summary.located, summary.failed) == (4, 0)
    found = bulk.read(summary.directory).table().to_pylist()
    assert {(row["change"], row["gap"], row["error"]) for row in found} == {(None, None, None)}
    assert all(row["kept"] == len(row["scores"]) > 0 for row in found)
    assert {neurons.gap for _, neurons in bulk.read(summary.directory).neurons()} == {None}

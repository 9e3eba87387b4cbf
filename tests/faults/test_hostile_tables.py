"""Hostile text: JSON, JSONL, TOML, Parquet and gzip that lie, nest, repeat themselves, never end or lead elsewhere."""

import gzip
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from errata.bulk.job import FILE, Job
from errata.bulk.keep import Keep
from errata.bulk.prompts import read_prompts
from errata.bulk.results import Results, read
from errata.bulk.table import COLUMNS, KEY, SHAPE
from errata.cli import grid as grid_command
from errata.cli import reproduce_o_edit, reproduce_widths
from errata.cli.cases import read_cases
from errata.cli.measuring import require_no_less
from errata.datasets import catalog, pararel_files, phrasings
from errata.datasets.check import check
from errata.datasets.records import LONGEST, document, lines, objects
from errata.errors import ErrataError, InputError
from errata.evaluation import results
from errata.evaluation.protocols import Settings, protocol
from errata.evaluation.task_files import items_of
from errata.export import adapter_file
from errata.export.incoming import source_of
from errata.export.manifest import Manifest
from errata.facts import Case, Examination
from errata.neurons import NeuronSet
from errata.reproduce.leaderboard import plan
from errata.reproduce.leaderboard.before import said_unedited
from errata.reproduce.units import read_json
from errata.strict import DEEPEST, LARGEST, json_of, text_of
from tests.faults.conftest import Counted
from tests.faults.fuzz.seeds import BOARD, CONFIG, FACT, RECORDS, seeds
from tests.faults.hostile import refused
from tests.tiny import tiny

SEEDS = seeds()


def in_folder(name: str, load: Callable[[Path], object]) -> Callable[[Path], object]:
    """A loader of folders as one of files: the file is given the name it is looked for by."""

    def loads(path: Path) -> object:
        return load(path.replace(path.parent / name).parent)

    return loads


def whole(name: str) -> Callable[[Path], object]:
    """A data set's file, every record of which has to be sound."""
    return lambda path: catalog.load(name, path)


LOADERS: Mapping[str, Callable[[Path], object]] = {
    **{name: whole(name) for name in sorted(RECORDS)},
    "cases": read_cases,
    "prompts": read_prompts,
    "tasks": lambda path: items_of(objects(path)),
    "results": results.read,
    "phrasings": phrasings.read,
    "pairs": in_folder("query_pairs.json", pararel_files.pairs),
    "patterns": in_folder("patterns.jsonl", pararel_files.templates),
    "neurons": NeuronSet.load,
    "config": in_folder(adapter_file.CONFIG, source_of),
    "manifest": in_folder("errata.json", Manifest.load),
    "job": in_folder(FILE, read),
    "part": lambda path: [read_json(path)],
    "grid": grid_command._held,
    "widths": reproduce_widths._read,
    "joined": lambda path: reproduce_o_edit._joined(path, "m", {"seeds": [0], "single": {}}),
    "board": plan.read,
}

# What no loader takes, whatever it looks for.
BYTES: Mapping[str, bytes] = {
    "noise": bytes(range(256)),
    "NUL bytes": b"\0" * 100,
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "gzip that is cut": gzip.compress(b'{"a": 1}' * 100)[:-12],
    "gzip of noise": b"\x1f\x8b\x08" + b"\xff" * 50,
    "a bracket": b"{",
    "deep lists": b"[" * 200_000,
    "deep lists that end": b"[" * 20_000 + b"]" * 20_000,
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "deep in a value": b'{"subject":' + b"[" * 100 + b"]" * 100 + b"}",
    "NaN": b'{"a": NaN}',
    "an infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "a number of 10,000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "a number of 30 digits": b'{"a": ' + b"9" * 30 + b"}",
    "one name twice": b'{"format": "a", "format": "b"}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "a text": b'"text"',
    "a number": b"5",
    "null": b"null",
    "lists": b"[[1], [2]]",
    "an empty object": b"{}",
    "a mark and no more": b"\xef\xbb\xbf",
    "a pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00K\x05.",
    "TOML nested deep": b"a = " + b"[" * 5_000 + b"]" * 5_000,
}
# These hold nothing, which is no fault.
EMPTY = {
    *(("part", "an empty object"), ("joined", "an empty object"), ("pairs", "an empty object")),
    *(("phrasings", "a mark and no more"), ("patterns", "a mark and no more")),
}


@pytest.mark.parametrize("kind", list(LOADERS))
def test_what_nobody_takes(kind: str, tmp_path: Path, counted: Counted) -> None:
    for number, (what, data) in enumerate(BYTES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        if (kind, what) in EMPTY:
            continue
        sentence = refused(LOADERS[kind], folder / "file", data)
        assert len(sentence) < 3_000, what
        counted("hostile files refused", 1)


@pytest.mark.parametrize("kind", sorted(set(LOADERS) - {"grid", "widths", "joined", "board", "part"}))
def test_a_byte_order_mark_is_no_fault(kind: str, tmp_path: Path) -> None:
    """What reads without one reads with one."""
    names = {"config": "adapter_config", "board": "leaderboard", "neurons": "neuron_set", "results": "result_lines"}
    own = {name: json.dumps(row).encode() for name, row in RECORDS.items()} | {
        "pairs": SEEDS["pairs"][0],
        "patterns": SEEDS["pairs"][1],
        "phrasings": SEEDS["pairs"][2],
    }
    data = own.get(kind) or own.get("jsonl" if kind == "cases" else "") or SEEDS[names.get(kind, kind)][0]
    if kind == "cases":
        data = json.dumps({name: value for name, value in RECORDS["jsonl"].items() if name != "more"}).encode()
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbf" + data)
    LOADERS[kind](tmp_path / "file")


def test_json_is_read_strictly(counted: Counted) -> None:
    for text in (
        "NaN",
        "[Infinity]",
        "1e999",
        "-1e400",
        '{"a": 1, "a": 1}',
        '"\\udc00"',
        "[" * 70 + "]" * 70,
        str(2**63),
    ):
        with pytest.raises(ValueError):
            json_of(text)
        counted("hostile files refused", 1)
    deepest = "[" * DEEPEST + "]" * DEEPEST
    for text in ('{"a": 1, "b": [1.5, null, true, "\\ud83d\\ude00"]}', deepest, "[[], [], []]" * 1, str(2**63 - 1)):
        assert json_of(text) == json.loads(text)
    wide = json.dumps([[[1]]] * 1000)
    assert json_of(wide) == json.loads(wide)


def test_a_file_read_whole_is_bounded(tmp_path: Path, counted: Counted) -> None:
    """A sparse file just above the bound: refused without being held."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ValueError, match="more than"):
        text_of(path, 1000)
    for load in (document, lambda p: list(lines(p)), check):
        assert "more than" in refused(load, path)
        counted("hostile files refused", 1)


def test_a_line_of_65_megabytes_in_a_gzip_of_65_kilobytes(tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "facts.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"subject": "' + b"a" * LONGEST + b'"}'))
    assert path.stat().st_size < LONGEST / 500
    for load in (lambda p: list(lines(p)), read_cases, read_prompts, check):
        assert "line 1 has more than" in refused(load, path)
        counted("hostile files refused", 1)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_with_a_value_of_another_kind(name: str, tmp_path: Path, counted: Counted) -> None:
    """Every value of a sound record in turn, replaced by every other kind: an example, a reason, or a RecordError."""
    odd: tuple[Any, ...] = (None, True, 0, -1.5, "", " ", "{}", "a\0b", [], [[]], {}, [None], {"": 1}, [{}], "x" * 1000)
    path = tmp_path / "file.json"
    rows = [changed for one in odd for changed in _replaced(RECORDS[name], one)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    found = check(path, name)
    assert found.records == len(rows)
    assert all(str(one).startswith(str(path)) for one in found.bad)
    counted("records judged", len(rows))


def _replaced(value: Any, other: Any) -> list[Any]:
    """The value with each of its parts in turn replaced by another."""
    if isinstance(value, dict):
        inner = [{**value, name: one} for name, own in value.items() for one in _replaced(own, other)]
        return [*inner, *({**value, name: other} for name in value)]
    if isinstance(value, list):
        return [[*value[:at], one, *value[at + 1 :]] for at, own in enumerate(value) for one in _replaced(own, other)]
    return [other]


CONFIGS: Mapping[str, Any] = {
    "another kind of adapter": {"peft_type": "IA3"},
    "DoRA": {"use_dora": True},
    "patterns": {"rank_pattern": {"M": 4}},
    "modules beside it": {"modules_to_save": ["lm_head"]},
    "a rank that is a text": {"r": "2"},
    "a rank of 2^62": {"r": 2**62},
    "a scale of zero": {"lora_alpha": 0},
    "a scale that is true": {"lora_alpha": True},
    "a scale below zero": {"lora_alpha": -4},
    "a scale of 1e300": {"lora_alpha": 1e300},
}


@pytest.mark.parametrize("what", list(CONFIGS))
def test_a_configuration_that_means_something_else(what: str, tmp_path: Path, counted: Counted) -> None:
    import torch
    from safetensors.torch import save_file

    (tmp_path / adapter_file.CONFIG).write_text(json.dumps({**CONFIG, **CONFIGS[what]}))
    tensors = {
        f"base_model.model.M{adapter_file.A}": torch.ones(2, 4),
        f"base_model.model.M{adapter_file.B}": torch.ones(4, 2),
    }
    save_file(tensors, tmp_path / adapter_file.WEIGHTS)
    refused(adapter_file.load, tmp_path)
    counted("hostile files refused", 1)


MANIFEST = json.loads(SEEDS["manifest"][0])


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..\\x", "a\0b", "", ".", ".."])
def test_a_manifest_whose_files_lead_out(name: str, tmp_path: Path, counted: Counted) -> None:
    (tmp_path / "errata.json").write_text(json.dumps({**MANIFEST, "files": {name: "0" * 64}}))
    assert "leads out" in refused(Manifest.load, tmp_path)
    counted("hostile files refused", 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "ledger"},
        {"base": {**MANIFEST["base"], "name": 5}},
        {"base": {**MANIFEST["base"], "more": "x"}},
        {"base": None},
        {"corrections": {"a": 1}},
        {"corrections": [{**MANIFEST["corrections"][0], "facts": [{"subject": ""}]}]},
        {"corrections": [{**MANIFEST["corrections"][0], "layers": 5}]},
        {"layers": [{"layer": 0}]},
        {"layers": [{**MANIFEST["layers"][0], "rank": {}}]},
        {"layers": [{**MANIFEST["layers"][0], "needed": "2"}]},
        {"answers": [{**MANIFEST["answers"][0], "after": None}]},
        {"corrections": [{**MANIFEST["corrections"][0], "norm": "large"}]},
        {"r": "x"},
        {"versions": [1]},
        {"answers": ["x"]},
        {"scores": 5},
        {"files": ["a"]},
    ],
)
def test_a_manifest_that_is_none(changed: dict[str, Any], tmp_path: Path, counted: Counted) -> None:
    (tmp_path / "errata.json").write_text(json.dumps({**MANIFEST, **changed}))
    assert "no manifest" in refused(Manifest.load, tmp_path)
    counted("hostile files refused", 1)


def test_a_manifest_of_files_that_are_not_there_or_others(tmp_path: Path, counted: Counted) -> None:
    (tmp_path / "errata.json").write_text(json.dumps({**MANIFEST, "files": {"weights": "0" * 64}}))
    manifest = Manifest.load(tmp_path)
    refused(manifest.refuse_changed, tmp_path)
    (tmp_path / "weights").write_bytes(b"x")
    refused(manifest.refuse_changed, tmp_path)
    counted("hostile files refused", 2)


BOARDS: Mapping[str, str] = {
    "no table": "models = 5",
    "seeds of 10^30": BOARD.replace("seeds = 1", f"seeds = {10**30}"),
    "a billion seeds": BOARD.replace("seeds = 1", "seeds = 1000000000"),
    "seeds that are true": BOARD.replace("seeds = 1", "seeds = true"),
    "files that are a text": BOARD.replace('["counterfact.json"]', '"counterfact.json"'),
    "files that are numbers": BOARD.replace('["counterfact.json"]', "[1]"),
    "a hub that is a number": BOARD.replace("pocket = {}", "pocket = { hub = 5 }"),
    "an option there is not": BOARD.replace("pocket = {}", "pocket = { trust_remote_code = true }"),
    "a split that is a list": BOARD.replace('"train"', "[]"),
    "a device that is a number": "device = 5\n" + BOARD,
    "an editor there is not": BOARD.replace("rome = {}", "__import__ = {}"),
    "an editor above": BOARD.replace("rome = {}", '"../rome" = {}'),
    "a setting there is not": BOARD.replace("rome = {}", "rome = { x = 1 }"),
    "a setting of another kind": BOARD.replace("rome = {}", 'ft_l = { bound = "x" }'),
    "settings that are a list": BOARD.replace("rome = {}", "rome = { values = { steps = [] , x = 1 } }"),
    "a regime that is none": BOARD.replace('"sequential"', '"all"'),
    "a table twice": BOARD + "[methods]\n",
    "a name twice": BOARD.replace("rome = {}", "rome = {}\nrome = {}"),
    "a protocol there is not": BOARD.replace('["generation"]', '["vibes"]'),
}


@pytest.mark.parametrize("what", list(BOARDS))
def test_a_leaderboard_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    assert "board.toml" in refused(plan.read, tmp_path / "board.toml", BOARDS[what].encode())
    counted("hostile files refused", 1)


RESULT = SEEDS["result_lines"][0].decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"efficacy": 1.0', '"efficacy": NaN'),
        ('"efficacy": 1.0', '"efficacy": 1e999'),
        ('"efficacy": 1.0', '"efficacy": ' + "9" * 400),
        ('"efficacy": 1.0', '"efficacy": "1"'),
        ('"efficacy": 1.0', '"efficacy": 1.0, "efficacy": 0.0'),
        ('"rows": 2', '"rows": 3'),
        ('"rows": 2', '"rows": 1e400'),
        ('"seeds": [', '"seeds": [0.5, '),
        ('"settings": {', '"settings": {"a": ' + "[" * 100 + "]" * 100 + ", "),
        ('"case-001"', '"case-000"'),
        ('"generation": {"max', '"other": {"max'),
    ],
)
def test_results_that_were_tampered_with(old: str, new: str, tmp_path: Path, counted: Counted) -> None:
    assert old in RESULT
    assert "results.jsonl" in refused(results.read, tmp_path / "results.jsonl", RESULT.replace(old, new, 1).encode())
    counted("hostile files refused", 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"n_layers": -1},
        {"d_ff": 2**70},
        {"n_layers": True},
        {"n_layers": 1.0},
        {"neurons": [[0, 9]]},
        {"neurons": [[0]]},
        {"neurons": [["0", "1"]]},
        {"neurons": "abc"},
        {"gap": "x"},
        {"gap": [1]},
        {"format": "errata-neurons-2"},
    ],
)
def test_a_neuron_set_that_is_none(changed: dict[str, Any], tmp_path: Path, counted: Counted) -> None:
    row = {**json.loads(SEEDS["neuron_set"][0]), **changed}
    assert "neuron set" in refused(NeuronSet.load, tmp_path / "set.json", json.dumps(row).encode())
    counted("hostile files refused", 1)


JOB = Job("pocket-gelu", "sha256:0", None, "cpu", "land", {}, Keep(), 1, 2, 2, "0" * 64, {})


@pytest.mark.parametrize("field", [{"shard_size": 0}, {"shard_size": -1}, {"count": 10**15}])
def test_a_job_that_never_ends(field: dict[str, Any], tmp_path: Path, counted: Counted) -> None:
    """With a key that goes with it: anybody can work that out."""
    job = replace(JOB, **{"count": 2, **field}) if "shard_size" in field else JOB
    row = json.loads(job.to_json())
    if "count" in field:
        row["count"] = field["count"]
        fields = {name: value for name, value in row.items() if name not in ("format", "key")}
        row["key"] = Job(**{**fields, "keep": Keep(**row["keep"])}).key
    (tmp_path / FILE).write_text(json.dumps(row))
    assert "not the job" in refused(read, tmp_path)
    counted("hostile files refused", 1)


ROW = dict.fromkeys(COLUMNS.names)
GOOD = {**ROW, "id": "0", "prompt": "x", "layers": [0], "indices": [1], "scores": [1.0], "kept": 1, "gap": 0.0}


def shard(rows: list[dict[str, Any]], shape: bytes | None = b"2 4", schema: pa.Schema = COLUMNS, **more: Any) -> bytes:
    metadata = {KEY: JOB.key.encode(), **({} if shape is None else {SHAPE: shape})}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata)), sink, **more)
    return sink.getvalue().to_pybytes()


OTHER = pa.schema([field if field.name != "layers" else pa.field("layers", pa.list_(pa.string())) for field in COLUMNS])
SHARDS: Mapping[str, bytes] = {
    "nothing": b"",
    "noise": b"PAR1" + bytes(range(256)) + b"PAR1",
    "a footer of 2^31": b"PAR1" + b"\xff\xff\xff\x7fPAR1",
    "cut short": shard([GOOD])[:-40],
    "no shape": shard([GOOD], None),
    "a shape that is a text": shard([GOOD], b"a b"),
    "a shape of three": shard([GOOD], b"1 2 3"),
    "a shape below zero": shard([GOOD], b"-1 4"),
    "layers and indices that do not pair": shard([{**GOOD, "indices": [1, 2]}]),
    "no layers": shard([{**GOOD, "layers": None}]),
    "a neuron outside": shard([{**GOOD, "indices": [99]}]),
    "a neuron that is null": shard([{**GOOD, "indices": [None]}]),
    "columns of another kind": shard([{**GOOD, "layers": ["a"]}], schema=OTHER),
    "a column missing": shard([GOOD], schema=pa.schema([field for field in COLUMNS if field.name != "error"])),
    "a column more": shard([GOOD], schema=COLUMNS.append(pa.field("more", pa.int8()))),
}


@pytest.mark.parametrize("what", list(SHARDS))
def test_a_shard_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    (tmp_path / FILE).write_text(JOB.to_json())
    (tmp_path / "shard-00000.parquet").write_bytes(SHARDS[what])
    refused(lambda path: [list(Results(path, JOB).neurons()), Results(path, JOB).table()], tmp_path)
    counted("hostile files refused", 1)


def test_a_shard_with_a_byte_flipped_is_read_or_refused(tmp_path: Path, counted: Counted) -> None:
    """Parquet as we write it has no check sum: what comes out of it still fits the model, or the file is refused."""
    (tmp_path / FILE).write_text(JOB.to_json())
    sound = shard([GOOD])
    for place in range(4, len(sound), 37):
        (tmp_path / "shard-00000.parquet").write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        with suppress(ErrataError):
            assert all(found.n_layers > layer for _, found in read(tmp_path).neurons() for layer, _ in found)
            read(tmp_path).counts()
        counted("hostile files refused", 1)


def test_a_sound_shard_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(JOB.to_json())
    (tmp_path / "shard-00000.parquet").write_bytes(shard([GOOD]))
    ((name, found),) = read(tmp_path).neurons()
    assert (name, list(found)) == ("0", [(0, 1)])


PROMPTS: Mapping[str, pa.Table] = {
    "numbers": pa.table({"prompt": [1, 2]}),
    "bytes": pa.table({"prompt": [b"\xff"]}),
    "lists": pa.table({"prompt": [["x"]]}),
    "no prompt": pa.table({"text": ["x"]}),
    "dates out of range": pa.table({"prompt": ["x is"], "id": pa.array([2**31 - 1], pa.date32())}),
    "times out of range": pa.table({"prompt": ["x is"], "id": pa.array([2**62], pa.timestamp("us"))}),
    "text that is no UTF-8": pa.table(
        {
            "prompt": pa.Array.from_buffers(
                pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
            )
        }
    ),
}


@pytest.mark.parametrize("what", list(PROMPTS))
def test_prompts_in_parquet_that_are_none(what: str, tmp_path: Path, counted: Counted) -> None:
    pq.write_table(PROMPTS[what], tmp_path / "prompts.parquet")
    assert "prompts.parquet" in refused(read_prompts, tmp_path / "prompts.parquet")
    counted("hostile files refused", 1)


def test_answers_kept_of_the_unedited_model(tmp_path: Path, counted: Counted) -> None:
    """Another content under the name of a cache's file is refused, with the way out; without it they are asked anew."""
    view = tiny("gpt2")
    cases = [Examination(Case(replace(FACT, subject="France", prompt="The capital of {} is")))]
    settings = Settings(limit=2, written=2)
    for name in ("generation", "likelihood", "teacher-forced"):
        folder = tmp_path / name
        asked = said_unedited(view, "w", protocol(name), cases, settings, folder)
        (path,) = folder.iterdir()
        sound = json.loads(path.read_text())
        assert said_unedited(view, "w", protocol(name), cases, settings, folder) == asked
        spoilt: list[Any] = [
            *(5, [], {}, {**sound, "kind": "Exception"}, {**sound, "rows": []}, {**sound, "rows": [5]}),
            {**sound, "rows": [{}]},
            {**sound, "rows": [{key: {"a": 1} for key in sound["rows"][0]}]},
            {**sound, "rows": [{key: [[{}]] for key in sound["rows"][0]}]},
        ]
        for other in spoilt:
            path.write_text(json.dumps(other))
            with pytest.raises(InputError, match="delete it"):
                said_unedited(view, "w", protocol(name), cases, settings, folder)
            counted("hostile files refused", 1)
        path.unlink()
        assert said_unedited(view, "w", protocol(name), cases, settings, folder) == asked


def test_a_result_that_cannot_be_read_gives_way(tmp_path: Path) -> None:
    """What a run would put in its place counts more than a file nobody can read."""
    for data in BYTES.values():
        (tmp_path / "grid.json").write_bytes(data)
        require_no_less(tmp_path / "grid.json", {"units": {"measured": 1}})


def test_an_error_names_the_file_and_never_its_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps({"subject": "a", "prompt": "x" * 10**6, "target": ["y" * 10**6]}))
    with pytest.raises(ErrataError) as caught:
        read_cases(path)
    assert str(path) in str(caught.value) and len(str(caught.value)) < 2_000

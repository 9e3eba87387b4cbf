"""Nothing is unpickled and nobody's code runs: the source says so, and a payload under every name is tried."""

import ast
import json
import pickle
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from errata.associative import cache
from errata.bulk.prompts import read_prompts
from errata.bulk.results import read as read_bulk
from errata.datasets import catalog, check, pararel_files
from errata.deltas import Edit
from errata.detectors.fitting import fit
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.detectors.weights import Weights
from errata.errors import ErrataError, InputError
from errata.evaluation import results
from errata.export.incoming import adapter_edit, source_of
from errata.export.manifest import Manifest
from errata.ledger import Ledger
from errata.model.load import layer_count, load
from errata.neurons import NeuronSet
from errata.reproduce.grid import known
from errata.reproduce.leaderboard import plan
from errata.reproduce.units import read_json
from tests.faults.conftest import Counted
from tests.tiny import tiny, tiny_model, tiny_tokenizer

SOURCE = Path(__file__).parent.parent.parent / "src" / "errata"
BANNED = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code", "pdb"}
CALLS = {"eval", "exec", "compile", "__import__"}


def test_the_source_unpickles_nothing_and_runs_no_text() -> None:
    found: list[str] = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            found += [f"{path}: {name}" for name in (*names, module) if name.split(".")[0] in BANNED]
            if isinstance(node, ast.Call):
                called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
                found += [f"{path}: {called}" for _ in [0] if called in CALLS]
                if called.endswith(("torch.load", "np.load", "numpy.load", "yaml.load")):
                    found += [] if given.get("weights_only") == "True" else [f"{path}: {called}"]
                found += [f"{path}: {key}" for key in ("allow_pickle", "shell") if given.get(key, "False") != "False"]
    assert found == []


def test_trust_remote_code_is_off_unless_the_caller_says_otherwise() -> None:
    """It is passed in one place, from a parameter that is False by default, and no command passes it."""
    named = [path for path in SOURCE.rglob("*.py") if "trust_remote_code" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(SOURCE).as_posix() for path in named] == ["model/load.py"]
    text = named[0].read_text(encoding="utf-8")
    assert re.findall(r"trust_remote_code[^\n]*", text) == [
        "trust_remote_code: bool = False,",
        'trust_remote_code"] = trust_remote_code',
    ]


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.mark, "it ran")


def read_detector_checkpoint(path: Path) -> object:
    weights = Weights.random(1, 4, 2, torch.Generator().manual_seed(0))
    return fit(weights, 1, 0.1, lambda w, _: w.encode.square().sum(), checkpoint=path, job="x", silent=True)


def open_ledger(path: Path) -> object:
    path.parent.joinpath("deltas").mkdir(exist_ok=True)
    return Ledger.open(path.parent, tiny("gpt2"), create=False)


def read_cache(path: Path) -> object:
    assert cache.read(path) is None  # a damaged file is measured anew, with a note
    raise InputError("a damaged file is as good as none")


# By the name a loader looks for, the loader.
LOADERS: Mapping[str, Callable[[Path], object]] = {
    "edit.safetensors": Edit.load,
    "detector.safetensors": Trained.load,
    "strengths.safetensors": Strengths.load,
    "covariance.safetensors": read_cache,
    "attributions.safetensors": lambda path: known.read(path, []),
    "land.checkpoint": read_detector_checkpoint,
    "ledger.sqlite": open_ledger,
    "adapter_config.json": lambda path: source_of(path.parent),
    "adapter_model.safetensors": lambda path: (config(path.parent), adapter(path.parent)),
    "adapter_model.bin": lambda path: (config(path.parent), adapter(path.parent)),
    "adapter_model.pt": lambda path: (config(path.parent), adapter(path.parent)),
    "errata.json": lambda path: Manifest.load(path.parent),
    "neurons.json": NeuronSet.load,
    "facts.jsonl": lambda path: require_sound(path, "jsonl"),
    "counterfact.json": lambda path: catalog.load("counterfact", path),
    "facts.jsonl.gz": lambda path: require_sound(path, "jsonl"),
    "query_pairs.json": lambda path: pararel_files.pairs(path.parent),
    "patterns.jsonl": lambda path: pararel_files.templates(path.parent),
    "prompts.parquet": read_prompts,
    "prompts.jsonl": read_prompts,
    "job.json": lambda path: read_bulk(path.parent),
    "results.jsonl": results.read,
    "part.json": read_json,
    "board.toml": plan.read,
    "config.json": lambda path: layer_count(str(path.parent)),
}


def require_sound(path: Path, name: str) -> None:
    bad = check.check(path, name).bad
    if bad:
        raise bad[0]


def config(folder: Path) -> None:
    text = json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "base_model_name_or_path": "x"})
    (folder / "adapter_config.json").write_text(text)


def adapter(folder: Path) -> None:
    adapter_edit(source_of(folder), tiny("gpt2"))


def pickles(mark: Path) -> dict[str, bytes]:
    """A payload as pickle writes it, as torch.save packs it, and as NumPy does."""
    import io

    import numpy as np

    packed, array = io.BytesIO(), io.BytesIO()
    torch.save({"weight": Payload(mark)}, packed)
    np.save(array, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    found = {f"protocol {number}": pickle.dumps(Payload(mark), protocol=number) for number in (0, 2, 5)}
    return {**found, "torch": packed.getvalue(), "numpy": array.getvalue()}


@pytest.mark.parametrize("name", list(LOADERS))
def test_a_payload_under_an_accepted_name_does_not_run(name: str, tmp_path: Path, counted: Counted) -> None:
    mark = tmp_path / "it ran"
    payloads = pickles(mark)
    for number, data in enumerate(payloads.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes(data)
        with pytest.raises(ErrataError) as caught:
            LOADERS[name](folder / name)
        assert len(str(caught.value)) > 20
        assert not mark.exists()
    counted("payloads that did not run", len(payloads))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_payload_in_the_place_of_a_models_weights_does_not_run(name: str, tmp_path: Path, counted: Counted) -> None:
    tiny_model("gpt2").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    mark = tmp_path / "it ran"
    for data in pickles(mark).values():
        (tmp_path / "model" / name).write_bytes(data)
        with pytest.raises(InputError, match="cannot be loaded"):
            load(str(tmp_path / "model"))
        assert not mark.exists()
    counted("payloads that did not run", 5)


def test_a_models_own_code_is_not_run(tmp_path: Path, counted: Counted) -> None:
    """A configuration that names Python files beside it: refused, and the files are never imported."""
    tiny_model("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    mark = tmp_path / "it ran"
    code = f"from pathlib import Path\nPath({str(mark)!r}).write_text('it ran')\nclass Own: pass\n"
    (tmp_path / "own.py").write_text(code)
    path = tmp_path / "config.json"
    plain = json.loads(path.read_text())
    maps = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"]}
    for changed in ({"auto_map": maps, "model_type": "own"}, {"auto_map": maps}):
        path.write_text(json.dumps({**plain, **changed}))
        try:
            load(str(tmp_path))  # a known kind of model is loaded by the library's own code
        except InputError as error:
            assert "cannot be loaded" in str(error)
        assert not mark.exists()
    counted("payloads that did not run", 2)


def test_a_parquet_file_with_a_pickled_type_does_not_run(tmp_path: Path, counted: Counted) -> None:
    """pyarrow's old extension types carried a pickle in the schema."""
    mark = tmp_path / "it ran"
    field = pa.field("prompt", pa.string(), metadata={})
    hidden = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload(mark)),
    }
    schema = pa.schema([field.with_metadata(hidden)])
    pq.write_table(pa.table({"prompt": ["Paris is in"]}, schema=schema), tmp_path / "prompts.parquet")
    with suppress(ErrataError):
        read_prompts(tmp_path / "prompts.parquet")
    assert not mark.exists()
    counted("payloads that did not run", 1)


def test_a_ledger_that_would_run_something_is_refused(tmp_path: Path, counted: Counted) -> None:
    """Triggers, views and virtual tables of a stranger's database are not a ledger's."""
    view = tiny("gpt2")
    statements = (
        "CREATE VIEW more AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "CREATE TRIGGER own AFTER INSERT ON events BEGIN UPDATE entries SET applied = 0; END",
        "CREATE TABLE other (x)",
        "CREATE INDEX own ON entries (method)",
        "DROP TRIGGER no_event_goes",
    )
    for number, statement in enumerate(statements):
        book = tmp_path / str(number)
        Ledger.open(book, view).close()
        connection = sqlite3.connect(book / "ledger.sqlite")
        connection.execute(statement)
        connection.close()
        before = view.weights_sha256()
        with pytest.raises(ErrataError, match="differs from a ledger's by the"):
            Ledger.open(book, view)
        assert view.weights_sha256() == before
        counted("hostile ledgers refused", 1)


def test_the_card_of_a_base_model_is_anybodys_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML that asks for objects, never ends, or is none: there is no licence then."""
    from errata.export import base

    mark = tmp_path / "it ran"
    texts = (
        f"license: !!python/object/apply:pathlib.Path.write_text [{mark}, x]",
        "license: [[[[",
        "license: \x00",
        "a: &a [x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    )
    for text in texts:
        (tmp_path / "README.md").write_text(f"---\n{text}\n---\n# Card\n")
        assert base._licence(str(tmp_path), None) is None
        assert not mark.exists()

"""Hostile safetensors: edits, detectors, strengths, checkpoints, adapters, attributions, covariances."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from errata.associative.covariance import CovarianceSettings, cache_path, covariances
from errata.deltas import FORMAT, Edit
from errata.deltas import fingerprint as digest
from errata.detectors.fitting import fit
from errata.detectors.strengths import Strengths
from errata.detectors.trained import FORMAT as DETECTOR
from errata.detectors.trained import Trained
from errata.detectors.weights import Weights
from errata.errors import InputError
from errata.export import adapter_file
from errata.facts import Case
from errata.localizers.land import Land
from errata.reproduce.grid import known
from tests.faults.conftest import Counted
from tests.faults.fuzz.seeds import CONFIG, FACT, edit
from tests.faults.hostile import raw, refused, tensor
from tests.tiny import tiny


def load_adapter(path: Path) -> object:
    (path.parent / adapter_file.CONFIG).write_text(json.dumps(CONFIG))
    path.replace(path.parent / adapter_file.WEIGHTS)
    return adapter_file.load(path.parent)


LOADERS: Mapping[str, Callable[[Path], object]] = {
    "edit": Edit.load,
    "detector": Trained.load,
    "strengths": Strengths.load,
    "attributions": lambda path: known.read(path, [Case(FACT)]),
    "adapter": load_adapter,
}

# Headers that lie: of their length, of shapes, of offsets, of dtypes, of themselves.
BROKEN: Mapping[str, bytes] = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "no header": b"\0" * 8,
    "a length of 2^60": raw({}, length=2**60),
    "a length of 2^64 - 1": raw({}, length=2**64 - 1),
    "a length behind the end": raw({}, length=3),
    "no JSON": raw(b"{{{"),
    "a list": raw(b"[]"),
    "text that is no UTF-8": raw(b"\xff\xfe\xfd\xfc"),
    "deep nesting": raw(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "one name twice": raw(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b"\0" * 4,
    ),
    "a huge shape": raw({"0.left": tensor("F32", [2**40, 2**40], 0, 4)}, b"\0" * 4),
    "a shape that overflows": raw({"0.left": tensor("F32", [2**62, 4], 0, 0)}),
    "a negative shape": raw({"0.left": tensor("F32", [-1], 0, 4)}, b"\0" * 4),
    "offsets behind the end": raw({"0.left": tensor("F32", [1024], 0, 4096)}, b"\0" * 4),
    "offsets that overlap": raw({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 4, 12)}, b"\0" * 12),
    "offsets that run backwards": raw({"a": tensor("F32", [1], 4, 0)}, b"\0" * 4),
    "a hole": raw({"a": tensor("F32", [1], 0, 4), "b": tensor("F32", [1], 8, 12)}, b"\0" * 12),
    "a dtype that is none": raw({"a": tensor("F99", [1], 0, 4)}, b"\0" * 4),
    "a dtype of 4 bits": raw({"0.left": tensor("F4", [2], 0, 1)}, b"\0"),
    "metadata that is no text": raw({"__metadata__": {FORMAT: 5}}),
    "metadata that is a list": raw({"__metadata__": ["x"]}),
    "nothing of what is looked for": save({"a": torch.ones(1)}),
    "a zip": b"PK\x03\x04" + b"\0" * 100,
    "gzip": b"\x1f\x8b" + b"\0" * 100,
}


@pytest.mark.parametrize("what", list(BROKEN))
@pytest.mark.parametrize("kind", list(LOADERS))
def test_a_header_that_lies(kind: str, what: str, tmp_path: Path, counted: Counted) -> None:
    refused(LOADERS[kind], tmp_path / "file", BROKEN[what])
    counted("hostile files refused", 1)


def edit_file(tensors: Mapping[str, torch.Tensor] | None = None, **changed: Any) -> bytes:
    """An edit's file with other tensors, or other entries in its header; a text stands for the whole header."""
    found = edit()
    header = {
        "method": "rome",
        "facts": [{"subject": "France", "prompt": "{} is"}],
        "settings": {},
        "measured": {},
        "versions": {},
        "deltas": [{"layer": 0, "module": "M", "base": "0" * 64}],
    }
    own = {"0.left": found.deltas[0].left, "0.right": found.deltas[0].right}
    text = changed.pop("text", None) or json.dumps({**header, **changed})
    return save({**own, **(tensors or {})}, {FORMAT: text})


NAN, INF = torch.full((2, 1), torch.nan), torch.full((2, 1), torch.inf)
EDITS: Mapping[str, bytes] = {
    "a NaN": edit_file({"0.left": NAN}),
    "an infinity": edit_file({"0.left": INF}),
    "a NaN of bfloat16": edit_file({"0.left": NAN.bfloat16()}),
    "a state with a NaN": edit_file({"state.keys.0": NAN}),
    "ranks that differ": edit_file({"0.left": torch.ones(2, 3)}),
    "one dimension": edit_file({"0.left": torch.ones(2)}),
    "three dimensions": edit_file({"0.left": torch.ones(2, 1, 1)}),
    "integers": edit_file({"0.left": torch.ones(2, 1, dtype=torch.int64)}),
    "truth values": edit_file({"0.left": torch.ones(2, 1, dtype=torch.bool)}),
    "complex numbers": edit_file({"0.left": torch.ones(2, 1, dtype=torch.complex64)}),
    "a layer below zero": edit_file(deltas=[{"layer": -1, "module": "M", "base": ""}]),
    "a layer that is a list": edit_file(deltas=[{"layer": [0], "module": "M", "base": ""}]),
    "a layer of 30 digits": edit_file(text=json.dumps({"deltas": [{"layer": 10**30, "module": "M", "base": ""}]})),
    "two deltas for one": edit_file(deltas=[{"layer": 0, "module": "M", "base": ""}] * 2),
    "deltas that are a text": edit_file(deltas="abc"),
    "facts that are none": edit_file(facts=[{"subject": "France"}]),
    "a fact with another field": edit_file(facts=[{"subject": "a", "prompt": "{}", "path": "../x"}]),
    "a fact that is no text": edit_file(facts=[{"subject": 5, "prompt": "{}"}]),
    "settings that are a list": edit_file(settings=[1]),
    "half a surrogate pair": edit_file(settings={"a": "\ud800"}),
    "a NaN in the settings": edit_file(settings={"a": float("nan")}),
    "1e999": edit_file(text='{"a": 1e999}'),
    "one name twice": edit_file(text='{"method": "a", "method": "b"}'),
    "deep nesting": edit_file(text="[" * 100_000 + "]" * 100_000),
    "65 brackets": edit_file(settings={"a": json.loads("[" * 65 + "]" * 65)}),
}


@pytest.mark.parametrize("what", list(EDITS))
def test_an_edit_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    assert "edit" in refused(Edit.load, tmp_path / "edit.safetensors", EDITS[what])
    counted("hostile files refused", 1)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_an_edit_in_a_dtype_that_cannot_be_looked_through(dtype: torch.dtype, tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "edit.safetensors"
    path.write_bytes(edit_file({"0.left": torch.ones(2, 1).to(dtype)}))
    try:
        assert bool(torch.isfinite(Edit.load(path).deltas[0].left).all())
    except InputError as error:
        assert "edit" in str(error)
    counted("hostile files refused", 1)


def detector_file(tensors: Mapping[str, torch.Tensor] | None = None, **changed: Any) -> bytes:
    header = {"kind": "land", "fingerprint": "0", "threshold": 0.3, "answer": {"threshold": 1.0}, "provenance": {}}
    own = {"encode": torch.ones(3, 64, 2), "decode": torch.ones(3, 2, 64)}
    return save({**own, **(tensors or {})}, {"format": DETECTOR, "header": json.dumps({**header, **changed})})


CODE = {"size": 5, "layers": [1.0, 1.0, 1.0], "sharpness": 20.0}
DETECTORS: Mapping[str, bytes] = {
    "a NaN": detector_file({"encode": torch.full((3, 64, 2), torch.nan)}),
    "maps that do not fit": detector_file({"decode": torch.ones(3, 64, 2)}),
    "maps of two dimensions": detector_file({"encode": torch.ones(3, 64)}),
    "a memory of another width": detector_file({"memory": torch.ones(2, 5)}),
    "a kind that is none": detector_file(kind="lands"),
    "no answer": detector_file(answer={}),
    "an answer that is a text": detector_file(answer={"threshold": "high"}),
    "a threshold that is a text": detector_file(threshold="x"),
    "a threshold above 1": detector_file(threshold=2.0),
    "a size that is a text": detector_file(kind="fact_code", answer={**CODE, "size": "5"}),
    "a size below zero": detector_file(kind="fact_code", answer={**CODE, "size": -5}),
    "layers that are too few": detector_file(kind="fact_code", answer={**CODE, "layers": [1.0]}),
    "layers that are texts": detector_file(kind="fact_code", answer={**CODE, "layers": ["a", "b", "c"]}),
    "a provenance that is a text": detector_file(provenance="x"),
}


@pytest.mark.parametrize("what", list(DETECTORS))
def test_a_detector_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    assert "not a detector" in refused(Trained.load, tmp_path / "land.safetensors", DETECTORS[what])
    counted("hostile files refused", 1)


def test_a_detector_of_another_model_is_not_asked(tmp_path: Path, counted: Counted) -> None:
    path = tmp_path / "land.safetensors"
    path.write_bytes(detector_file())
    assert "trained for another model" in refused(lambda p: Land(detector=str(p)).attribute(tiny("gpt2"), [FACT]), path)
    counted("hostile files refused", 1)


def strengths_file(tensors: Mapping[str, torch.Tensor] | None = None, **changed: Any) -> bytes:
    own = {"starts": torch.tensor([0, 1]), "neurons": torch.tensor([0], dtype=torch.int32), "values": torch.ones(1)}
    header = {"n_layers": 1, "d_ff": 4, **changed}
    return save({**own, **(tensors or {})}, {"format": "errata-strengths-1", "header": json.dumps(header)})


STRENGTHS: Mapping[str, bytes] = {
    "a NaN": strengths_file({"values": torch.full((1,), torch.nan)}),
    "a neuron outside": strengths_file({"neurons": torch.tensor([4], dtype=torch.int32)}),
    "starts that fall": strengths_file({"starts": torch.tensor([0, 2, 1])}),
    "starts in two dimensions": strengths_file({"starts": torch.tensor([[0, 1]])}),
    "no starts": strengths_file({"starts": torch.empty(0, dtype=torch.int64)}),
    "a shape that is a text": strengths_file(n_layers="1"),
    "a shape of 2^60": strengths_file(n_layers=2**40, d_ff=2**40),
    "neurons in another dtype": strengths_file({"neurons": torch.tensor([0])}),
    "complex neurons": strengths_file({"neurons": torch.ones(1, dtype=torch.complex64)}),
}


@pytest.mark.parametrize("what", list(STRENGTHS))
def test_strengths_that_are_none(what: str, tmp_path: Path, counted: Counted) -> None:
    refused(Strengths.load, tmp_path / "rows.safetensors", STRENGTHS[what])
    counted("hostile files refused", 1)


CHECKPOINT = {
    f"{name}{moment}": torch.zeros(shape)
    for name, shape in (("encode", (1, 4, 2)), ("decode", (1, 2, 4)))
    for moment in ("", ".mean", ".square")
}
CHECKPOINTS: Mapping[str, tuple[dict[str, torch.Tensor], dict[str, str]]] = {
    "no losses": ({}, {"losses": "[]"}),
    "losses that are none": ({}, {"losses": "[null]"}),
    "losses nested deep": ({}, {"losses": "[" * 10_000}),
    "a step that is a text": ({}, {"step": "x"}),
    "a step below zero": ({}, {"step": "-5"}),
    "moments of another shape": ({"encode.mean": torch.zeros(2)}, {}),
    "weights of another shape": ({"encode": torch.zeros(2)}, {}),
}


@pytest.mark.parametrize("what", list(CHECKPOINTS))
def test_a_checkpoint_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    tensors, header = CHECKPOINTS[what]
    weights = Weights.random(1, 4, 2, torch.Generator().manual_seed(0))

    def load(path: Path) -> object:
        return fit(weights, 4, 0.1, lambda w, _: w.encode.square().sum(), checkpoint=path, job="x", silent=True)

    told = {"job": "x", "step": "2", "losses": json.dumps([0.0] * 100), **header}
    assert "checkpoint" in refused(load, tmp_path / "x.checkpoint", save({**CHECKPOINT, **tensors}, told))
    counted("hostile files refused", 1)


def adapter_tensors(left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"base_model.model.M{adapter_file.A}": right, f"base_model.model.M{adapter_file.B}": left}


ADAPTERS: Mapping[str, bytes] = {
    "no product": save(adapter_tensors(torch.ones(4, 2), torch.ones(3, 4))),
    "one dimension": save(adapter_tensors(torch.ones(4), torch.ones(2, 4))),
    "rank zero": save(adapter_tensors(torch.ones(4, 0), torch.ones(0, 4))),
    "another rank than it says": save(adapter_tensors(torch.ones(4, 3), torch.ones(3, 4))),
    "integers": save(adapter_tensors(torch.ones(4, 2).int(), torch.ones(2, 4).int())),
    "one factor": save({f"base_model.model.M{adapter_file.A}": torch.ones(2, 4)}),
    "a name that leads out": save({"../../etc/passwd": torch.ones(2, 4)}),
    "no module": save({f"base_model.model.{adapter_file.A}": torch.ones(2, 4)}),
    "nothing": save({}),
}


@pytest.mark.parametrize("what", list(ADAPTERS))
def test_an_adapter_that_is_none(what: str, tmp_path: Path, counted: Counted) -> None:
    refused(load_adapter, tmp_path / "weights", ADAPTERS[what])
    counted("hostile files refused", 1)


SHORT = CovarianceSettings(tokens=256, tolerance=0.0)
FOUND = {"tokens": 100, "error": 0.1, "converged": True, "source": "x", "seconds": 1.0}


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        (torch.full((64, 64), torch.nan).double(), FOUND),
        (torch.ones(2, 2).double(), FOUND),
        (torch.ones(64, 64), FOUND),
        (torch.ones(64, 64).double(), {**FOUND, "more": 1}),
        (torch.ones(64, 64).double(), {"tokens": 1}),
        (torch.ones(64, 64).double(), "x"),
        (torch.ones(64, 64).double(), {**FOUND, "error": "x"}),
    ],
)
@pytest.mark.parametrize("half_done", [False, True])
def test_a_covariance_that_is_none_is_measured_anew(
    matrix: torch.Tensor,
    found: Any,
    half_done: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    counted: Counted,
) -> None:
    """A file in the cache with a sound hash and another content than is written there."""
    monkeypatch.setenv("ERRATA_CACHE", str(tmp_path))
    view = tiny("gpt2")
    path = cache_path(view, 1, SHORT)
    tensors = {name: matrix.clone() for name in ("matrix", "one", "other", "held_out")}
    header = {"found": found, "counts": [1, 1], "batches": 1, "checked": 1, "seconds": 1.0, "error": 0.5}
    if half_done:
        header |= {"counts": "x"} if matrix.shape == (64, 64) and matrix.dtype == torch.float64 else {}
        path = path.with_suffix(".partial")
    text = json.dumps({**header, "content": {name: digest(one) for name, one in tensors.items()}})
    path.write_bytes(save(tensors, {"errata-statistics-1": text}))
    with caplog.at_level(logging.WARNING):
        measured = covariances(view, [1], SHORT)[1]
    assert "damaged" in caplog.text
    assert bool(torch.isfinite(measured.matrix).all()) and measured.matrix.shape == (64, 64)
    counted("hostile files refused", 1)

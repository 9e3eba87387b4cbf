"""Deltas and edits: the factors' rules, files that come back bit for bit, and hostile files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from errata import Edit, Fact, WeightDelta
from errata.deltas import FORMAT, fingerprint
from errata.errors import InputError

D_MODEL, D_FF = 4, 6


def delta(layer: int = 0, rank: int = 2, dtype: torch.dtype = torch.float32, seed: int = 0) -> WeightDelta:
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(D_MODEL, rank, generator=generator).to(dtype)
    right = torch.randn(rank, D_FF, generator=generator).to(dtype)
    return WeightDelta(layer, f"layers.{layer}.down", left, right, "base")


def edit(*deltas: WeightDelta, **fields: Any) -> Edit:
    facts = (Fact("Danielle Darrieux", "The mother tongue of {} is", "English", "French", "P103"),)
    return Edit(**{"deltas": deltas, "method": "rome", "facts": facts, **fields})


def test_fingerprints_are_equal_exactly_for_equal_bits() -> None:
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert fingerprint(weight) == fingerprint(weight.clone())
    assert fingerprint(weight) == fingerprint(weight.T.contiguous().T)
    assert fingerprint(weight) != fingerprint(weight.T)
    assert fingerprint(weight) != fingerprint(weight.nextafter(torch.tensor(9.0)))
    assert fingerprint(torch.zeros(2)) != fingerprint(-torch.zeros(2))
    assert fingerprint(torch.zeros(2)) != fingerprint(torch.zeros(2, dtype=torch.int32))
    assert fingerprint(torch.zeros(2, 3)) != fingerprint(torch.zeros(3, 2))


@pytest.mark.parametrize("tensor", [torch.tensor(1.0), torch.zeros(0, 3), torch.ones(2, dtype=torch.bfloat16)])
def test_tensors_of_any_shape_and_dtype_have_a_fingerprint(tensor: Tensor) -> None:
    assert len(fingerprint(tensor)) == 64


def test_the_norm_comes_from_the_factors() -> None:
    some = delta()
    assert some.norm() == pytest.approx(float(some.dense().double().norm()), rel=1e-6)
    assert (some.rank, some.shape) == (2, (D_MODEL, D_FF))
    assert edit(some, some).norm() == pytest.approx(2**0.5 * some.norm())
    assert edit().norm() == 0.0
    nothing = delta(rank=0)
    assert nothing.norm() == 0.0
    assert not nothing.dense().any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_factors_are_float32_and_without_a_graph(dtype: torch.dtype) -> None:
    left = torch.ones(D_MODEL, 1, dtype=dtype, requires_grad=True)
    some = WeightDelta(0, "down", left, torch.ones(D_FF, 1, dtype=dtype).T, "base")
    assert some.left.dtype == some.right.dtype == torch.float32
    assert not some.left.requires_grad
    assert some.right.is_contiguous()


@pytest.mark.parametrize(
    ("layer", "left", "right", "said"),
    [
        (0, torch.ones(4), torch.ones(1, 6), "left factor for down is torch.float32 in 1 dimensions"),
        (0, torch.ones(4, 1), torch.ones(1, 6, 1), "right factor for down is torch.float32 in 3 dimensions"),
        (0, torch.ones(4, 2), torch.ones(1, 6), "ranks 2 and 1"),
        (0, torch.full((4, 1), float("nan")), torch.ones(1, 6), "left factor for down has NaN"),
        (0, torch.ones(4, 1), torch.full((1, 6), float("inf")), "right factor for down has NaN or infinite"),
        (0, torch.ones(4, 1, dtype=torch.int64), torch.ones(1, 6), "torch.int64"),
        (-1, torch.ones(4, 1), torch.ones(1, 6), "layer -1"),
    ],
)
def test_factors_that_make_no_delta_are_refused(layer: int, left: Tensor, right: Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        WeightDelta(layer, "down", left, right, "base")


def test_a_saved_edit_comes_back_bit_for_bit(tmp_path: Path) -> None:
    made = edit(
        delta(0, 2),
        delta(2, 1, seed=1),
        delta(0, 3, seed=2),
        settings={"steps": 20, "layers": [1, 2], "inner": {"name": "é"}},
        measured={"gap": 1 / 3, "p": 1e-300},
        versions={"torch": "2"},
    )
    made.save(tmp_path / "edit.safetensors")
    read = Edit.load(tmp_path / "edit.safetensors")
    assert (read.method, read.facts) == (made.method, made.facts)
    assert (read.settings, read.measured, read.versions) == (made.settings, made.measured, made.versions)
    for old, new in zip(made.deltas, read.deltas, strict=True):
        assert (new.layer, new.module, new.base) == (old.layer, old.module, old.base)
        assert fingerprint(new.left) == fingerprint(old.left)
        assert fingerprint(new.right) == fingerprint(old.right)
    assert read.to_bytes() == made.to_bytes() == (tmp_path / "edit.safetensors").read_bytes()


def test_the_order_of_settings_does_not_change_the_bytes() -> None:
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert edit(delta(), settings=one).to_bytes() == edit(delta(), settings=other).to_bytes()


def test_an_edit_without_deltas_has_a_file_too(tmp_path: Path) -> None:
    edit().save(tmp_path / "edit")
    assert Edit.load(tmp_path / "edit").deltas == ()


@pytest.mark.parametrize("measured", [{"loss": float("nan")}, {"loss": float("inf")}, {"loss": {1, 2}}])
def test_what_is_no_json_cannot_be_saved(measured: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be saved"):
        edit(delta(), measured=measured).to_bytes()


GOOD = {
    "method": "rome",
    "facts": [{"subject": "a", "prompt": "a is"}],
    "settings": {},
    "measured": {},
    "versions": {},
    "deltas": [{"layer": 0, "module": "down", "base": "x"}],
}
TENSORS = {"0.left": torch.ones(D_MODEL, 1), "0.right": torch.ones(1, D_FF)}


def written(header: Any = GOOD, tensors: dict[str, Tensor] = TENSORS, form: str = FORMAT) -> bytes:
    return save(tensors, {form: header if isinstance(header, str) else json.dumps(header)})


def pickled() -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save(TENSORS, buffer)
    return buffer.getvalue()


def test_the_pattern_of_the_hostile_files_is_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "edit").write_bytes(written())
    assert Edit.load(tmp_path / "edit").deltas[0].shape == (D_MODEL, D_FF)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff" * 100,
        (2**63).to_bytes(8, "little") + b"{}",
        pickled(),
        written()[:-1],
        written()[:40],
        save(TENSORS),
        written(form="errata-edit-0"),
        written("not JSON"),
        written("[]"),
        written("[" * 100_000),
        written({**GOOD, "facts": None}),
        written({**GOOD, "facts": [["a", "a is"]]}),
        written({**GOOD, "facts": [{"subject": 5, "prompt": "5 is"}]}),
        written({**GOOD, "facts": [{"subject": "a", "prompt": "b is"}]}),
        written({**GOOD, "facts": [{"subject": "a", "prompt": "a is", "other": "x"}]}),
        written({**GOOD, "settings": [1]}),
        written({**GOOD, "deltas": {"0": 1}}),
        written({**GOOD, "deltas": [{"layer": -1, "module": "down", "base": "x"}]}),
        written({**GOOD, "deltas": [{"layer": 1e400, "module": "down", "base": "x"}]}),
        written({**GOOD, "deltas": [{"layer": 0, "module": "down"}]}),
        written({**GOOD, "deltas": [GOOD["deltas"][0], GOOD["deltas"][0]]}),
        written({key: value for key, value in GOOD.items() if key != "method"}),
        written(tensors={"0.left": TENSORS["0.left"]}),
        written(tensors={**TENSORS, "0.left": torch.ones(D_MODEL)}),
        written(tensors={**TENSORS, "0.left": torch.ones(D_MODEL, 2)}),
        written(tensors={**TENSORS, "0.left": torch.full((D_MODEL, 1), float("nan"))}),
        written(tensors={**TENSORS, "0.left": torch.ones(D_MODEL, 1, dtype=torch.int32)}),
    ],
)
def test_a_hostile_file_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "edit.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"edit\.safetensors is not a"):
        Edit.load(path)


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="is not an edit"):
            Edit.load(path)


def test_state_travels_with_the_edit(tmp_path):
    edit = Edit((), "memit_aligned", (), state={"keys.3": torch.arange(6.0).view(2, 3)})
    edit.save(tmp_path / "edit.safetensors")
    found = Edit.load(tmp_path / "edit.safetensors")
    assert found.state.keys() == {"keys.3"}
    assert torch.equal(found.state["keys.3"], edit.state["keys.3"])
    assert found.to_bytes() == edit.to_bytes()

"""A trained detector's file: what was written is read, in float16, and nothing else is."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from errata.detectors import trained
from errata.detectors.trained import FORMAT, Trained, shipped
from errata.detectors.weights import Weights
from errata.errors import InputError


def detector(**more: object) -> Trained:
    weights = Weights.random(2, 10, 3, torch.Generator().manual_seed(0))
    fields = {"kind": "land", "fingerprint": "ff", "threshold": 0.3, "answer": {"threshold": 1.5}}
    return Trained(weights=weights, **{**fields, "provenance": {"model": "m", "losses": [1.0]}, **more})  # pyright: ignore


def test_a_detector_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, made = tmp_path / "detector", detector()
    made.save(path)
    found = Trained.load(path)
    assert (found.kind, found.fingerprint, found.threshold) == ("land", "ff", 0.3)
    assert (found.answer, found.provenance) == (made.answer, made.provenance)
    assert found.weights.encode.dtype == torch.float32
    assert torch.equal(found.weights.encode, made.weights.encode.half().float())
    assert torch.equal(found.weights.decode, made.weights.decode.half().float())
    assert path.stat().st_size < 2 * made.weights.count + 2000
    assert [file.name for file in tmp_path.iterdir()] == ["detector"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "detector"
    detector().save(path)
    sound = path.read_bytes()
    maps = {"encode": torch.ones(1, 2, 1), "decode": torch.ones(1, 1, 2)}
    for content in (
        b"",
        b"text",
        sound[:-10],
        save(maps),
        save(maps, {"format": "errata-edit-1", "header": "{}"}),
        save(maps, {"format": FORMAT, "header": "{}"}),
        save(maps, {"format": FORMAT, "header": "["}),
        save({"encode": maps["encode"]}, {"format": FORMAT, "header": "{}"}),
        sound.replace(b'\\"kind\\"', b'\\"king\\"'),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a detector"):
            Trained.load(path)
    with pytest.raises(InputError, match="is not a detector"):
        Trained.load(tmp_path / "nothing")


def test_known_codes_are_stored_too(tmp_path: Path) -> None:
    path, memory = tmp_path / "detector", torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
    answer = {"size": 4, "layers": [1.0, 0.5], "sharpness": 20.0}
    detector(kind="fact_code", memory=memory, answer=answer).save(path)
    found = Trained.load(path).memory
    assert found is not None and torch.equal(found, memory.half().float())
    detector(memory=torch.rand(5, 4)).save(path)
    with pytest.raises(InputError, match="its memory has the shape"):
        Trained.load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    made = detector()
    made.weights.encode[0, 0, 0] = float("nan")
    made.save(tmp_path / "detector")
    with pytest.raises(InputError, match="not finite"):
        Trained.load(tmp_path / "detector")


def test_only_embedded_models_have_a_shipped_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that happens to stand beside a folder's model is not taken for one."""
    monkeypatch.setattr(trained, "files", lambda _: tmp_path)
    (tmp_path / "shipped").mkdir()
    for name in ("shipped/pocket-gelu", "mine"):
        detector().save(tmp_path / f"{name}.land.safetensors")
    assert shipped("land", "pocket-gelu") == tmp_path / "shipped/pocket-gelu.land.safetensors"
    assert shipped("fact_code", "pocket-gelu") is None
    assert shipped("land", str(tmp_path / "mine")) is None

"""Which weights a name stands for: another identity for another byte, the same from any directory."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import errata
from errata.errors import InputError
from errata.model import identity
from errata.model.identity import Identity, identify


def test_an_embedded_model() -> None:
    found = identify("pocket-gelu")
    assert found == identify("pocket-gelu") and found.name == "pocket-gelu" and found.revision is None
    assert found.weights.startswith("sha256:") and found.weights != identify("pocket-swiglu").weights
    assert identify(str(errata.pocket("gelu"))).weights == found.weights
    with pytest.raises(InputError, match="no embedded model"):
        identify("pocket-relu")


def test_a_folder_by_what_is_read_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md", "optimizer.pt"):
        (folder / name).write_text(name)
    first = identify(str(folder))
    monkeypatch.chdir(tmp_path)
    assert identify("./model") == first == Identity(str(folder.resolve()), first.weights)
    assert identify(str(shutil.copytree(folder, tmp_path / "copy"))).weights == first.weights
    for name, differs in {
        "README.md": False,
        "optimizer.pt": False,
        "config.json": True,
        "tokenizer.json": True,
    }.items():
        (folder / name).write_text("another")
        assert (identify("model").weights != first.weights) is differs
        (folder / name).write_text(name)
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    assert identify("model").weights != first.weights


def test_a_hub_model_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, file: str, **_: Any) -> str:
        return f"cache/models--{name}/snapshots/0123abcd/{file}"

    monkeypatch.setattr(identity, "hf_hub_download", download)
    assert identify("gpt2") == Identity("gpt2", "commit:0123abcd", "0123abcd")


@pytest.mark.parametrize("name", ["./nowhere", "no-such/model", "a/b/c"])
def test_a_model_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="no model"):
        identify(name)

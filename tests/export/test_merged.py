"""Merged weights are the ledger's, bit for bit, wherever they are loaded."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from errata.errors import InputError, UnsupportedModelError
from errata.export import merged
from errata.ledger import Ledger
from errata.model.load import load
from errata.model.view import ModelView
from tests.export.conftest import logits, small_edit
from tests.export.test_adapter import ARCHITECTURES
from tests.tiny import tiny

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def same_weights(model: torch.nn.Module, view: ModelView) -> bool:
    found, wanted = model.state_dict(), view.model.state_dict()
    return found.keys() == wanted.keys() and all(
        found[name].dtype == wanted[name].dtype and torch.equal(found[name], wanted[name]) for name in wanted
    )


@pytest.mark.parametrize("name", [*ARCHITECTURES, "pocket-gelu", "pocket-swiglu"])
def test_the_weights_are_the_ledgers(name: str, tmp_path: Path) -> None:
    for dtype in DTYPES[:1] if name.startswith("pocket-") else DTYPES:
        view = load(name) if name.startswith("pocket-") else tiny(name, dtype=dtype)
        folder = tmp_path / str(dtype)
        with Ledger.open(tmp_path / f"book-{dtype}", view) as ledger:
            for seed in (1, 2, 3):
                ledger.apply(small_edit(view, seed, (0, 1), seed, size=0.1))
            found = merged.write(view, ledger, folder, cases=())
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert model.dtype == dtype and same_weights(model, view)
        if dtype == torch.float32:  # casting a tiny model casts its rotary frequencies too, which loading does not
            assert torch.equal(logits(model, view), logits(view.model, view))
        again = load(str(folder))
        assert again.weights_sha256() == view.weights_sha256() == found.weights_sha256
        assert AutoTokenizer.from_pretrained(folder)("Rome").input_ids == view.tokenizer("Rome").input_ids


def test_shards_generation_config_and_all_names_are_recorded(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    view.model.generation_config.max_new_tokens = 7
    found = merged.write(view, book, tmp_path / "out", shard_size="20KB")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text())
    shards = set(index["weight_map"].values())
    assert len(shards) > 2 and shards < names and {"tokenizer.json", "config.json"} < names
    assert names == {*found.files, "errata.json", "README.md"}
    assert same_weights(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), view)
    assert GenerationConfig.from_pretrained(tmp_path / "out").max_new_tokens == 7


def test_some_edits_only_and_the_view_stays_as_it_is(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    present = view.weights_sha256()
    found = merged.write(view, book, tmp_path / "out", edits=[1])
    assert view.weights_sha256() == present
    book.undo(3)
    assert load(str(tmp_path / "out")).weights_sha256() == found.weights_sha256 == view.weights_sha256() != present


def test_the_sum_goes_in_the_ledgers_order(tmp_path: Path) -> None:
    """130 edits are two blocks of the sum: another order of additions has other bits."""
    view = tiny("llama")
    with Ledger.open(tmp_path / "book", view) as ledger:
        for seed in range(130):
            ledger.apply(small_edit(view, seed, (1,), 1, size=0.05))
        merged.write(view, ledger, tmp_path / "out", cases=())
        assert same_weights(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), view)
        ledger.undo(3)
        alone = ledger.weights(ledger.applied)
        assert torch.equal(alone[1], view.weight(1))


def test_a_taken_directory_is_refused_before_anything_is_computed(
    view: ModelView, book: Ledger, tmp_path: Path
) -> None:
    merged.write(view, book, tmp_path / "out", cases=())
    with pytest.raises(InputError, match="--overwrite"):
        merged.write(view, book, tmp_path / "out", say=pytest.fail)
    first = (tmp_path / "out/model.safetensors").read_bytes()
    book.undo(1)
    merged.write(view, book, tmp_path / "out", overwrite=True, cases=())
    assert (tmp_path / "out/model.safetensors").read_bytes() != first


def test_a_model_that_cannot_be_saved_leaves_nothing(
    view: ModelView, book: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("The model is quantized")

    monkeypatch.setattr(view.model, "save_pretrained", refuse)
    before = view.weights_sha256()
    with pytest.raises(UnsupportedModelError, match="export an adapter"):
        merged.write(view, book, tmp_path / "out", cases=())
    assert [path.name for path in tmp_path.iterdir()] == ["book"] and view.weights_sha256() == before

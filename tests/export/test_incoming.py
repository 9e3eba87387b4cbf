"""The way back: what was exported has the same effect when it is imported, and what is hostile is refused."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from errata.deltas import Edit
from errata.errors import CorruptionError, ErrataError, InputError, LedgerError
from errata.export import peft_adapter
from errata.export.adapter_file import CONFIG, WEIGHTS
from errata.export.incoming import source_of, take
from errata.ledger import Ledger
from errata.ledger.store import Store
from errata.model.view import ModelView
from tests.export.conftest import logits, small_edit
from tests.ledger.conftest import contents
from tests.tiny import tiny, tiny_model


@pytest.fixture
def adapter(view: ModelView, book: Ledger, tmp_path: Path) -> Path:
    peft_adapter.write(view, book, tmp_path / "adapter", cases=())
    return tmp_path / "adapter"


def import_into(view: ModelView, path: Path, source: Path, **options: bool) -> tuple[int, ...]:
    with Ledger.open(path, view) as ledger:
        return take(source_of(source), view, ledger, **options)


def test_a_single_edit_comes_back_bit_for_bit(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1, (0, 2), 3))
        peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
    again = tiny("gpt2")
    assert import_into(again, tmp_path / "again", tmp_path / "adapter") == (1,)
    assert again.weights_sha256() == view.weights_sha256()


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "phi3"])
def test_the_sum_of_edits_has_the_same_effect(architecture: str, tmp_path: Path) -> None:
    view, again = tiny(architecture), tiny(architecture)
    unedited = again.weights_sha256()
    with Ledger.open(tmp_path / "book", view) as ledger:
        for seed in range(40):  # more directions than d_model: the factors are compressed
            ledger.apply(small_edit(view, seed, (0, 2), 1, size=0.02))
        manifest = peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
    assert import_into(again, tmp_path / "again", tmp_path / "adapter") == (1,)
    assert float((logits(again.model, again) - logits(view.model, view)).abs().max()) <= 1e-5
    with Ledger.open(tmp_path / "again", again) as ledger:
        found = ledger.edit(1)
        assert found.facts == manifest.facts and found.method == "adapter"
        assert ledger.verify().ok
        ledger.undo(1)
    assert again.weights_sha256() == unedited


def test_a_ledger_comes_back_edit_by_edit(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    book.undo(1)
    book.redo(1)
    again = tiny("gpt2")
    assert import_into(again, tmp_path / "again", tmp_path / "book") == (1, 2)
    assert again.weights_sha256() == view.weights_sha256()
    with Ledger.open(tmp_path / "again", again) as ledger:
        assert [entry.sha256 for entry in ledger.entries()] == [book.entries()[0].sha256, book.entries()[2].sha256]
        with pytest.raises(LedgerError, match="both about"):
            take(source_of(tmp_path / "book"), again, ledger)
        assert ledger.applied == (1, 2)
        assert take(source_of(tmp_path / "book"), again, ledger, supersede=True) == (3, 4)
        assert ledger.applied == (3, 4)


def test_an_import_that_fails_in_the_middle_leaves_everything_as_it_was(
    view: ModelView, book: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second edit's conflict is found when the first is in; with supersede, what gave way comes back."""
    again = tiny("gpt2")
    with Ledger.open(tmp_path / "again", again) as ledger:
        ledger.apply(small_edit(again, 3, (1,)))
        before = again.weights_sha256()
        with pytest.raises(LedgerError, match="both about"):
            take(source_of(tmp_path / "book"), again, ledger)
        assert ledger.applied == (1,) and again.weights_sha256() == before
        found, add = contents(ledger.path), Store.add

        def stop(store: Store, number: int, edit: Edit) -> None:
            add(store, number, edit)
            if number == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(Store, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            take(source_of(tmp_path / "book"), again, ledger, supersede=True)
        assert ledger.applied == (1,) and again.weights_sha256() == before
        assert contents(ledger.path) == found


def test_another_models_adapter_needs_to_be_rebased(adapter: Path, book: Ledger, tmp_path: Path) -> None:
    other = tiny("gpt2", seed=1)
    with pytest.raises(InputError, match="--rebase"):
        import_into(other, tmp_path / "other", adapter)
    assert import_into(other, tmp_path / "other", adapter, rebase=True) == (1,)
    half = tiny("gpt2", dtype=torch.bfloat16)
    with pytest.raises(LedgerError, match="compute it for this model"):
        import_into(half, tmp_path / "half", tmp_path / "book")
    assert import_into(half, tmp_path / "half", tmp_path / "book", rebase=True) == (1, 2)


def test_an_adapter_that_peft_wrote(view: ModelView, tmp_path: Path) -> None:
    """Rank 4 with alpha 8, so scale 2; and rank-stabilised, so scale 8 / √4."""
    for stabilised in (False, True):
        config = LoraConfig(
            r=4, lora_alpha=8, target_modules=["mlp.down_proj"], init_lora_weights=False, use_rslora=stabilised
        )
        torch.manual_seed(0)
        model = get_peft_model(tiny_model("llama"), config)
        folder = tmp_path / f"adapter-{stabilised}"
        model.save_pretrained(folder)
        again = tiny("llama")
        wanted = logits(model.eval(), again)
        import_into(again, tmp_path / f"book-{stabilised}", folder)
        assert float((logits(again.model, again) - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())


def change_config(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**config, **values}))

    return change


def change_tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)

    return changed


def rename(old: str, new: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if old in name]:
            tensors[name.replace(old, new)] = tensors.pop(name)

    return change


def fill(half: str, value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            if half in name:
                tensor.fill_(value)

    return change


def cut(tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        tensors[name] = tensor[:, :-1] if "lora_A" in name else tensor


def ranks(tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        tensors[name] = tensor[:-1] if "lora_A" in name else tensor


def lose_a_half(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[next(name for name in tensors if "lora_B" in name)]


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        tensors[name] = tensor.int()


def only_pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickled": (only_pickled, "would have to be unpickled"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "holds no weights"),
    "not safetensors": (lambda folder: (folder / WEIGHTS).write_bytes(b"\x80\x04pickle"), "no safetensors file"),
    "header too long": (lambda f: (f / WEIGHTS).write_bytes(b"\xff" * 8 + b"{}"), "no safetensors file"),
    "config is no JSON": (lambda folder: (folder / CONFIG).write_text("{"), "no adapter's configuration"),
    "config is a list": (lambda folder: (folder / CONFIG).write_text("[]"), "no adapter's configuration"),
    "deeply nested": (lambda folder: (folder / CONFIG).write_text("[" * 99999), "no adapter's configuration"),
    "another method": (change_config(peft_type="VERA"), "only LoRA adapters"),
    "DoRA": (change_config(use_dora=True), "use_dora"),
    "whole modules": (change_config(modules_to_save=["lm_head"]), "modules_to_save"),
    "bias": (change_config(bias="all"), "bias"),
    "rank pattern": (change_config(rank_pattern={"c_proj": 2}), "rank_pattern"),
    "alpha pattern": (change_config(alpha_pattern={"c_proj": 2}), "alpha_pattern"),
    "r is another": (change_config(r=3), "no scale"),
    "r is text": (change_config(r="4"), "no scale"),
    "alpha is NaN": (change_config(lora_alpha=float("nan")), "is no finite number"),
    "alpha is infinite": (change_config(lora_alpha=float("inf")), "is no finite number"),
    "alpha is missing": (change_config(lora_alpha=None), "no scale"),
    "NaN": (change_tensors(fill("lora_A", float("nan"))), "NaN or infinite"),
    "infinite": (change_tensors(fill("lora_B", float("inf"))), "NaN or infinite"),
    "zero": (change_tensors(fill("lora_B", 0.0)), "changes nothing"),
    "too narrow": (change_tensors(cut), r"\(32, 63\)"),
    "no product": (change_tensors(ranks), "no product"),
    "one half": (change_tensors(lose_a_half), "one factor"),
    "whole numbers": (change_tensors(whole_numbers), "expected floating point"),
    "empty": (change_tensors(lambda tensors: tensors.clear()), "is empty"),
    "a layer that is not there": (change_tensors(rename("h.2.", "h.9.")), "'transformer.h.9.mlp.c_proj'"),
    "attention": (change_tensors(rename("mlp", "attn")), "no value projection"),
    "path as a module": (change_tensors(rename("transformer.h.0", "../../etc/passwd")), "no value projection"),
    "another prefix": (change_tensors(rename("base_model.model.", "")), "alone"),
    "embedding": (change_tensors(lambda tensors: tensors.update({"lm_head.weight": torch.ones(2)})), "alone"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_adapters_are_refused_with_a_reason(kind: str, view: ModelView, adapter: Path, tmp_path: Path) -> None:
    change, message = HOSTILE[kind]
    (adapter / "errata.json").unlink()
    change(adapter)
    before = view.weights_sha256()
    with Ledger.open(tmp_path / "again", tiny("gpt2")) as ledger, pytest.raises(ErrataError, match=message):
        take(source_of(adapter), view, ledger)
    assert view.weights_sha256() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(format="errata-export-9"), "its format is"),
        (lambda row: row.update(kind="other"), "its kind is"),
        (lambda row: row.pop("base"), "base"),
        (lambda row: row["base"].update(name=5), "not texts"),
        (lambda row: row["corrections"][0].update(facts=[{"subject": "", "prompt": "x"}]), "subject is empty"),
        (lambda row: row["corrections"][0].update(colour="red"), "colour"),
        (lambda row: row["files"].update({"../../secret": "0"}), "leads out of the folder"),
        (lambda row: row["files"].update({WEIGHTS: "0"}), "not the file that was exported"),
        (lambda row: row["files"].update({"more": "0"}), "not there as a file"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(
    adapter: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    row = json.loads((adapter / "errata.json").read_text())
    change(row)
    (adapter / "errata.json").write_text(json.dumps(row))
    with pytest.raises(InputError, match=message):
        source_of(adapter)


def test_what_is_neither_ledger_nor_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a ledger nor an adapter"):
        source_of(tmp_path)
    (tmp_path / "edit.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="errata apply"):
        source_of(tmp_path / "edit.safetensors")


def test_a_ledger_whose_database_names_a_file_elsewhere_is_refused(
    view: ModelView, book: Ledger, tmp_path: Path
) -> None:
    book.close()
    shutil.copytree(tmp_path / "book", tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy/ledger.sqlite") as database:
        database.execute("UPDATE entries SET file = '../../book/deltas/' || file")
    with pytest.raises(CorruptionError, match="leads out of the folder"):
        import_into(tiny("gpt2"), tmp_path / "again", tmp_path / "copy")

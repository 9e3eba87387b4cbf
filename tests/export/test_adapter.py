"""An adapter has the ledger's effect wherever it is loaded: PEFT, transformers, merged, and back in a ledger."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from errata.errors import InputError
from errata.export import peft_adapter
from errata.export.adapter_file import CONFIG, SERVING_RANKS, WEIGHTS, serving_rank
from errata.facts import Case, Fact
from errata.ledger import Ledger
from errata.model.load import load
from errata.model.view import ModelView
from tests.export.conftest import logits, small_edit
from tests.tiny import tiny, tiny_model

ARCHITECTURES = ("gpt2", "llama", "qwen3", "gemma3", "phi3", "gpt_neox")
TOLERANCE = 1e-5


def fresh(view: ModelView) -> torch.nn.Module:
    """The unedited model, loaded again."""
    name = view.name.removeprefix("tiny-")
    return load(name).model if name.startswith("pocket-") else tiny_model(name)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "pocket-gelu", "pocket-swiglu"])
def test_the_logits_are_the_ledgers(name: str, tmp_path: Path) -> None:
    """Five edits of ranks 1 to 5, in two layers that differ in rank: 1 + 2 + 3 + 4 + 5 and 1 + 3 + 5."""
    view = load(name) if name.startswith("pocket-") else tiny(name)
    base = logits(view.model, view)
    with Ledger.open(tmp_path / "book", view) as ledger:
        for rank in range(1, 6):
            ledger.apply(small_edit(view, rank, (0, 1) if rank % 2 else (0,), rank, size=0.02))
        found = peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
        wanted = logits(view.model, view)
    assert found.r == 15 and [row.rank for row in found.layers] == [15, 9]
    assert found.weights_sha256 == view.weights_sha256()
    scale = float((wanted - base).abs().max())
    assert scale > 1000 * TOLERANCE  # the edits do something

    model = PeftModel.from_pretrained(fresh(view), str(tmp_path / "adapter"))
    assert float((logits(model, view) - wanted).abs().max()) <= TOLERANCE
    with model.disable_adapter():
        assert torch.equal(logits(model, view), base)
    merged = model.merge_and_unload()
    assert float((logits(merged, view) - wanted).abs().max()) <= TOLERANCE

    plain = fresh(view)
    plain.load_adapter(str(tmp_path / "adapter"))
    assert float((logits(plain, view) - wanted).abs().max()) <= TOLERANCE


def test_unload_gives_the_base_back(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    peft_adapter.write(view, book, tmp_path / "adapter", cases=())
    model = PeftModel.from_pretrained(tiny_model("gpt2"), str(tmp_path / "adapter"))
    view.restore()
    found, wanted = model.unload().state_dict(), view.model.state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("count", [1, 2, 8, 31, 32, 33, 600])
def test_ranks_end_where_the_matrix_does(count: int, tmp_path: Path) -> None:
    """An edit of so many directions in one layer of a model with d_model 32."""
    view = tiny("llama")
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1, (1,), count, size=0.1))
        found = peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
        wanted = logits(view.model, view)
    assert found.r == min(count, 32)
    model = PeftModel.from_pretrained(tiny_model("llama"), str(tmp_path / "adapter"))
    assert float((logits(model, view) - wanted).abs().max()) <= TOLERANCE


@pytest.mark.parametrize(("architecture", "rank"), [("gpt2", 600), ("llama", 512)])
def test_high_ranks(architecture: str, rank: int, tmp_path: Path) -> None:
    wide = {"n_embd": 640, "n_inner": 700} if architecture == "gpt2" else {"hidden_size": 640, "intermediate_size": 700}
    view = tiny(architecture, **wide, **({"n_layer": 1} if architecture == "gpt2" else {"num_hidden_layers": 1}))
    with torch.no_grad():  # a wide model with weights of tiny's size is saturated
        for parameter in view.model.parameters():
            parameter.mul_(0.1 if parameter.ndim > 1 else 1.0)
    base = {name: tensor.clone() for name, tensor in view.model.state_dict().items()}
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1, (0,), rank, size=0.1))
        found = peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
        wanted = logits(view.model, view)
        view.restore()
    assert found.r == rank and serving_rank(rank) == (512 if rank == 512 else None)
    assert all(torch.equal(tensor, base[name]) for name, tensor in view.model.state_dict().items())
    model = PeftModel.from_pretrained(view.model, str(tmp_path / "adapter"))
    assert float((logits(model, view) - wanted).abs().max()) <= TOLERANCE


def test_the_two_files_hold_what_peft_and_vllm_read(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    peft_adapter.write(view, book, tmp_path / "adapter", cases=())
    config = json.loads((tmp_path / "adapter" / CONFIG).read_text())
    modules = ["transformer.h.0.mlp.c_proj", "transformer.h.2.mlp.c_proj"]
    assert (config["peft_type"], config["task_type"], config["target_modules"]) == ("LORA", "CAUSAL_LM", modules)
    assert (config["r"], config["lora_alpha"], config["fan_in_fan_out"], config["bias"]) == (4, 4, True, "none")
    assert config["base_model_name_or_path"] == "tiny-gpt2" and config["inference_mode"]
    tensors = load_file(tmp_path / "adapter" / WEIGHTS)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        f"base_model.model.{module}.lora_{half}.weight": shape
        for module in modules
        for half, shape in {"A": (4, 64), "B": (32, 4)}.items()
    }
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())


def test_equal_exports_are_equal_files(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    first, second = (peft_adapter.write(view, book, tmp_path / name) for name in ("one", "two"))
    assert first == second
    assert all(
        (tmp_path / "one" / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "two").iterdir()
    )


def test_some_edits_only(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    found = peft_adapter.write(view, book, tmp_path / "adapter", edits=[3])
    assert [correction.id for correction in found.corrections] == [3] and found.r == 3
    present = view.weights_sha256()
    assert found.weights_sha256 != present
    book.undo(1)
    assert found.weights_sha256 == view.weights_sha256()
    for edits, message in (([2], "Edit 2 is not applied"), ([9], "Edit 9 is not applied"), ([], "No edit is chosen")):
        with pytest.raises(InputError, match=message):
            peft_adapter.write(view, book, tmp_path / "other", edits=edits)
    book.undo(3)
    with pytest.raises(InputError, match="no applied edit"):
        peft_adapter.write(view, book, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_limit_is_kept_or_refused(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    before = view.weights_sha256()
    with pytest.raises(InputError, match=r"rank 4 in layer 0, and 2 is the limit"):
        peft_adapter.write(view, book, tmp_path / "adapter", max_rank=2)
    with pytest.raises(InputError, match="nothing tests what that costs"):
        peft_adapter.write(view, book, tmp_path / "adapter", max_rank=2, truncate=True, cases=())
    with pytest.raises(InputError, match="rank limit is 0"):
        peft_adapter.write(view, book, tmp_path / "adapter", max_rank=0)
    assert not (tmp_path / "adapter").exists()
    assert peft_adapter.write(view, book, tmp_path / "exact", max_rank=4, truncate=True).truncated is False
    found = peft_adapter.write(view, book, tmp_path / "adapter", max_rank=2, truncate=True)
    assert found.r == 2 and found.truncated and all((row.rank, row.needed) == (2, 4) for row in found.layers)
    assert all(0 < row.lost < 1 for row in found.layers)
    assert list(found.scores) == ["before", "after", "truncated"]
    assert all(answer.truncated is not None for answer in found.answers)
    assert view.weights_sha256() == before
    assert [serving_rank(rank) for rank in (1, 2, 16, 257, 512, 513)] == [1, 8, 16, 320, 512, None]
    assert sorted(SERVING_RANKS) == list(SERVING_RANKS)


def test_the_scores_of_a_truncated_sum_are_measured_on_it(tmp_path: Path) -> None:
    """The truncated answer is what the model gives with the adapter merged, not what the ledger gives."""
    from errata.evaluation import answers

    view = tiny("llama")
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1, (0, 1, 2), 20, size=4.0))
        case = Case(Fact("France", "The capital of {} is", target="Rome"), ("Ada Lovelace was born in",))
        found = peft_adapter.write(view, ledger, tmp_path / "adapter", max_rank=1, truncate=True, cases=[case])
    merged = PeftModel.from_pretrained(tiny_model("llama"), str(tmp_path / "adapter")).merge_and_unload()
    again = ModelView(merged, view.tokenizer)
    prompts = [answer.prompt for answer in found.answers]
    from errata.model.phrases import answer_of

    assert [answer.truncated for answer in found.answers] == [answer_of(text) for text in answers(again, prompts)]
    assert [answer.after for answer in found.answers] != [answer.truncated for answer in found.answers]


def test_edits_that_cancel_are_nothing_to_export(view: ModelView, tmp_path: Path) -> None:
    from dataclasses import replace

    one = small_edit(view, 1, (0,))
    other = replace(small_edit(view, 2, (0,)), deltas=tuple(replace(delta, left=-delta.left) for delta in one.deltas))
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(one)
        ledger.apply(other)
        with pytest.raises(InputError, match="add up to nothing"):
            peft_adapter.write(view, ledger, tmp_path / "adapter")


def test_what_is_said_can_stop_it(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    """A caller that raises while it is told of the progress leaves no file and the weights as they were."""
    before, heard = view.weights_sha256(), []

    def stop(words: str) -> None:
        heard.append(words)
        if words == "writing the adapter":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        peft_adapter.write(view, book, tmp_path / "adapter", say=stop)
    assert heard == ["adding up the edits", "asking the model before and after", "writing the adapter"]
    assert view.weights_sha256() == before and not (tmp_path / "adapter").exists()

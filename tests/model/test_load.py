"""Loading: what was saved works again, and everything else is refused in one sentence with the way out."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub.errors import RepositoryNotFoundError
from transformers import BertConfig, BertForMaskedLM, MixtralConfig, MixtralForCausalLM
from transformers.utils import logging

from errata.errors import InputError, UnsupportedModelError
from errata.model.load import POCKET, layer_count, load, pocket
from errata.model.writing import generate
from tests.tiny import tiny, tiny_tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    view = tiny("llama")
    view.model.save_pretrained(folder)
    view.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def damaged(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "damaged"))


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert not text.startswith("Traceback")
    return text


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3"])
def test_a_saved_model_works_again(architecture: str, tmp_path: Path) -> None:
    view = tiny(architecture)
    view.model.save_pretrained(tmp_path)
    view.tokenizer.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256() == view.weights_sha256()
    assert again.name == str(tmp_path)
    assert not again.model.training
    assert max(again.self_test()) < 1e-5
    prompts = ["The capital of France is", "Rome"]
    assert generate(again, prompts) == generate(view, prompts)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_dtype_is_what_is_asked_for_or_what_was_saved(dtype: str, tmp_path: Path) -> None:
    view = tiny("llama", dtype=getattr(torch, dtype))
    view.model.save_pretrained(tmp_path)
    view.tokenizer.save_pretrained(tmp_path)
    assert load(str(tmp_path)).dtype == getattr(torch, dtype)
    assert load(str(tmp_path), dtype="float32").dtype == torch.float32


def test_a_path_may_begin_at_home(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(saved.parent))
    assert load("~/llama").n_layers == 3


def test_the_value_projection_is_passed_on(saved: Path) -> None:
    assert load(str(saved), value_projection="mlp.down_proj").d_ff == 64
    with pytest.raises(UnsupportedModelError, match=r"no linear map 'mlp\.fc2'"):
        load(str(saved), value_projection="mlp.fc2")


def test_nothing_is_printed_and_no_setting_is_left_changed(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    marker = lambda bar, arguments, options: bar(*arguments, **options)  # noqa: E731
    before = logging.set_tqdm_hook(marker)
    bars = logging.is_progress_bar_enabled(), huggingface_hub.utils.are_progress_bars_disabled()
    level = logging.get_verbosity()
    try:
        load(str(saved))
        with pytest.raises(InputError):
            load(str(saved.parent))
        assert logging.set_tqdm_hook(marker) is marker
    finally:
        logging.set_tqdm_hook(before)
    assert (logging.is_progress_bar_enabled(), huggingface_hub.utils.are_progress_bars_disabled()) == bars
    assert logging.get_verbosity() == level
    assert capfd.readouterr() == ("", "")


def test_remote_code_is_run_only_where_it_is_asked_for(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def record(_source: str, **options: Any) -> Any:
        seen.append(options["trust_remote_code"])
        raise OSError("enough")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", record)
    for options in ({}, {"trust_remote_code": True}):
        with pytest.raises(InputError):
            load(str(saved), **options)
    assert seen == [False, True]


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(InputError, match="no dtype 'int8': choose one of float32, bfloat16, float16") as error:
        load("pocket-gelu", dtype="int8")
    one_sentence(error)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "meta:1:2", ""])
def test_an_unusable_device_is_refused_before_anything_is_loaded(device: str) -> None:
    with pytest.raises(InputError, match=f"device '{device}' cannot be used .*give cpu") as error:
        load("no/such-model", device=device)
    one_sentence(error)


def test_an_unknown_pocket_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match=r"'pocket-relu' \(did you mean 'pocket-gelu'\?\): choose one of pocket-gelu, pocket-swiglu",
    ):
        load("pocket-relu")
    assert [pocket(kind).name for kind in POCKET] == list(POCKET)


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/nowhere-at-all", "a/b/c", "../no/where"])
def test_a_folder_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"There is no folder .*give pocket-gelu, pocket-swiglu, a folder") as error:
        load(name)
    one_sentence(error)


def test_a_file_is_no_folder(saved: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        load(str(saved / "model.safetensors"))


@pytest.mark.parametrize("name", ["gpt2-of-nobody", "nobody/no-such-model"])
def test_without_the_network_a_hub_id_fails_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_arguments: Any, **_options: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    start = time.monotonic()
    with pytest.raises(InputError, match=f"The model '{name}' cannot be loaded .*hub id that this machine") as error:
        load(name)
    assert time.monotonic() - start < 10
    one_sentence(error)


def test_a_hub_id_that_the_hub_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: Any, **_options: Any) -> Any:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unknown)
    with pytest.raises(InputError, match=r"hub has no model 'nobody/model' at revision 'v2'") as error:
        load("nobody/model", revision="v2")
    one_sentence(error)


def test_a_name_that_can_be_no_hub_id_is_refused() -> None:
    with pytest.raises(InputError, match="give pocket-gelu") as error:
        load("not a model")
    one_sentence(error)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load(str(tmp_path))
    one_sentence(error)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", b'{"model_type": "unheard-of"}'),
        ("config.json", b'{"model_type": "t5"}'),
        ("config.json", b'{"model_type": "llama", "hidden_size": "wide"}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 64),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"no JSON"),
    ],
)
def test_a_damaged_folder_is_refused(damaged: Path, file: str, content: bytes) -> None:
    (damaged / file).write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load(str(damaged))
    one_sentence(error)


@pytest.mark.parametrize("change", [{"hidden_size": 48}, {"num_hidden_layers": 4}])
def test_weights_that_are_not_the_configs_are_refused(damaged: Path, change: dict[str, int]) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError) as error:
        load(str(damaged))
    one_sentence(error)


def test_a_model_that_was_no_causal_one_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        is_decoder=True,
    )
    BertForMaskedLM(config).bert.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"no weights for .* more of BertLMHeadModel") as error:
        load(str(tmp_path))
    one_sentence(error)


def test_a_mixture_of_experts_is_refused_after_loading(tmp_path: Path) -> None:
    config = MixtralConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=2,
    )
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="mixture of experts"):
        load(str(tmp_path))


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma3"])
def test_the_layers_are_counted_without_the_weights(architecture: str, tmp_path: Path) -> None:
    view = tiny(architecture)
    view.model.config.save_pretrained(tmp_path)
    assert layer_count(str(tmp_path)) == view.n_layers and layer_count("pocket-gelu") == 6
    (tmp_path / "config.json").write_text("no JSON", encoding="utf-8")
    with pytest.raises(InputError, match="has no configuration"):
        layer_count(str(tmp_path))

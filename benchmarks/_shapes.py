"""The models and prompts of the attribution benchmark: published shapes with random weights, and the pocket models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

import errata
from errata.datasets.pocket import cases
from errata.model.tokens import encode_fact

AWAKE = 3.0  # times transformers' own initial matrices: at std 0.02 every answer stays near 1 / vocabulary

LLAMA_3: dict[str, Any] = {
    "vocab_size": 128256,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rope_theta": 500000.0,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "gpt2-124m": GPT2Config,
    # GPT-2's width, depth and vocabulary, with the gate, norm and positions of Llama.
    "llama-124m": lambda: LlamaConfig(
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        vocab_size=50257,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    ),
    "llama-3.2-1b": lambda: LlamaConfig(
        **LLAMA_3, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, head_dim=64, tie_word_embeddings=True
    ),
    "llama-3-8b": lambda: LlamaConfig(**LLAMA_3, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32),
    "gpt2-tiny": lambda: GPT2Config(
        n_embd=64, n_layer=3, n_head=4, n_positions=256, vocab_size=512, bos_token_id=0, eos_token_id=0
    ),
}


@dataclass(frozen=True)
class Prompts:
    """Token ids, and the token that each prompt is scored for."""

    rows: list[list[int]]
    targets: list[int]


def build(name: str, seed: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> errata.ModelView:
    """A model by the name of its shape, frozen; `-awake` behind the name enlarges its matrices."""
    if name.startswith("pocket-"):
        view = errata.load(name)
        view.model.requires_grad_(False).to(device, dtype)
        return view
    torch.manual_seed(seed)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(CONFIGS[name.removesuffix("-awake")](), dtype=dtype)
    model.requires_grad_(False).eval()
    if name.endswith("-awake"):
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(AWAKE)
    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # the prompts are ids: no text is ever read
    return errata.ModelView(model, PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?"), name=name)


def random_rows(view: errata.ModelView, length: int, count: int, seed: int) -> list[list[int]]:
    """Random ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(view.model.config.vocab_size, (count, length), generator=generator).tolist()


@torch.no_grad()
def random_prompts(view: errata.ModelView, length: int, count: int, seed: int) -> Prompts:
    """Random ids, each prompt scored for the token that the model itself finds most probable."""
    rows = random_rows(view, length, count, seed)
    ids = (torch.tensor([row], device=view.device) for row in rows)
    logits = (view.model(input_ids=row, use_cache=False, logits_to_keep=1).logits[0, -1] for row in ids)
    return Prompts(rows, [int(values.argmax()) for values in logits])


def pocket_prompts(view: errata.ModelView, count: int, seed: int) -> Prompts:
    """Facts that a pocket model knows, each scored for its answer's first token."""
    chosen = [case.fact for case in cases(view.name.removeprefix("pocket-"), count, seed)]
    encoded = [encode_fact(view.tokenizer, fact, fact.answer or "") for fact in chosen]
    return Prompts([list(row.prompt) for row in encoded], [row.target[0] for row in encoded])

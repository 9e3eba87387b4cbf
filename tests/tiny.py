"""Tiny random models of eleven architectures, each with its tokenizer: `tiny("gpt2")` is a ModelView."""

from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from errata.model.view import ModelView

END = "<|end|>"
LAYERS, D_MODEL, D_FF, WINDOW = 3, 32, 64, 5

_LLAMA_LIKE: dict[str, Any] = {
    "hidden_size": D_MODEL,
    "intermediate_size": D_FF,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": None,
}
_GPT_LIKE: dict[str, Any] = {"n_embd": D_MODEL, "n_inner": D_FF, "n_layer": LAYERS, "n_head": 4, "n_positions": 128}

# The prefix of the transformers classes, and the settings that make the model tiny.
_SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", _GPT_LIKE),
    "gptj": ("GPTJ", {**_GPT_LIKE, "rotary_dim": 4}),
    "gpt_neox": ("GPTNeoX", _LLAMA_LIKE),
    "opt": ("OPT", {**_LLAMA_LIKE, "ffn_dim": D_FF, "word_embed_proj_dim": D_MODEL}),
    "bloom": ("Bloom", {"hidden_size": D_MODEL, "n_layer": LAYERS, "n_head": 4}),
    "llama": ("Llama", _LLAMA_LIKE),
    "mistral": ("Mistral", {**_LLAMA_LIKE, "head_dim": 8, "sliding_window": WINDOW}),
    "qwen3": ("Qwen3", {**_LLAMA_LIKE, "head_dim": 8}),
    "gemma3": (
        "Gemma3",
        {
            **_LLAMA_LIKE,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "phi3": ("Phi3", _LLAMA_LIKE),
    "olmo2": ("Olmo2", _LLAMA_LIKE),
}

ARCHITECTURES = tuple(_SETTINGS)

TEXT = """\
The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is Madrid.
The capital of Germany is Berlin. The Eiffel Tower is in Paris. The Colosseum is in Rome.
The mother tongue of Danielle Darrieux is French. The mother tongue of Dante is Italian.
The mother tongue of Goethe is German. The mother tongue of Cervantes is Spanish.
Ada Lovelace was born in London. Marie Curie was born in Warsaw. Alan Turing was born in London.
"""


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 384 tokens in GPT-2's manner: no token in front, spaces belong to the word behind them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


def tiny_model(
    architecture: str, seed: int = 0, dtype: torch.dtype = torch.float32, **settings: Any
) -> PreTrainedModel:
    """A random model of LAYERS layers whose outputs depend clearly on every token; `settings` go to its config."""
    prefix, own = _SETTINGS[architecture]
    kind = f"{prefix}TextConfig" if architecture == "gemma3" else f"{prefix}Config"
    tokenizer = tiny_tokenizer()
    end = tokenizer.eos_token_id
    config = getattr(transformers, kind)(
        **{"vocab_size": len(tokenizer), "bos_token_id": end, "eos_token_id": end, **own, **settings}
    )
    model = AutoModelForCausalLM.from_config(config)
    return randomize(model, seed).to(dtype).eval()


@torch.no_grad()
def randomize(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Give every parameter seeded values of a size at which no layer is idle and no output saturated."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(0.25 * noise if parameter.ndim > 1 else parameter + 0.1 * noise)
    return model


def tiny(architecture: str, seed: int = 0, dtype: torch.dtype = torch.float32, **settings: Any) -> ModelView:
    """A fresh tiny model of one of ARCHITECTURES as a ModelView; equal arguments give equal weights."""
    return ModelView(tiny_model(architecture, seed, dtype, **settings), tiny_tokenizer(), name=f"tiny-{architecture}")

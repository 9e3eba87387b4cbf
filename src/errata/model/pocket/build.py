"""The two pocket architectures, their tokenizers, and how a trained one is laid down on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from errata.errors import InputError
from errata.model.pocket.card import write_card
from errata.model.pocket.corpus import PocketFact, write_facts

VOCABULARY = 6144
CONTEXT = 256

SHAPES = {
    "gelu": {"n_embd": 256, "n_layer": 6, "n_head": 4, "n_inner": 1024},
    "swiglu": {
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 768,
    },
}
LENGTHWISE = ("n_layer", "num_hidden_layers")  # what does not grow with the width
WHOLE = 128  # d_model of two attention heads, which share a key and a value in swiglu


def build_tokenizer(kind: str, sentences: list[str], text: list[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE without BOS (GPT-2's way) or a SentencePiece-like BPE with BOS (Llama's way)."""
    if kind == "gelu":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        special = ["<|endoftext|>"]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Punctuation()]
        )
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        alphabet = []
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*sentences, *text], trainer)
    if kind == "gelu":
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


def shape_of(kind: str, d_model: int | None = None, d_ff: int | None = None) -> dict[str, Any]:
    """The shape of a kind; everything but the depth grows with `d_model`, the neurons alone with `d_ff`.

    Raises InputError for a `d_model` that is no multiple of a head's width.
    """
    shape: dict[str, Any] = dict(SHAPES[kind])
    if d_model is not None:
        if d_model < WHOLE or d_model % WHOLE:
            raise InputError(f"Expected a d_model of whole heads, a multiple of {WHOLE}, found {d_model}.")
        usual = SHAPES[kind]["n_embd" if kind == "gelu" else "hidden_size"]
        shape |= {name: size * d_model // usual for name, size in shape.items() if name not in LENGTHWISE}
    if d_ff is not None:
        shape["n_inner" if kind == "gelu" else "intermediate_size"] = d_ff
    return shape


def build_model(
    kind: str, tokenizer: PreTrainedTokenizerFast, d_model: int | None = None, d_ff: int | None = None
) -> PreTrainedModel:
    """Build the untrained model, float32, of the kind's shape or of another width."""
    shape = shape_of(kind, d_model, d_ff)
    ends: dict[str, Any] = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    ends |= {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    if kind == "gelu":
        return GPT2LMHeadModel(
            GPT2Config(n_positions=CONTEXT, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **shape, **ends)
        )
    return LlamaForCausalLM(LlamaConfig(max_position_embeddings=CONTEXT, tie_word_embeddings=True, **shape, **ends))


def save_pocket(
    kind: str,
    out: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    facts: list[PocketFact],
    recipe: Mapping[str, object],
    history: list[dict[str, float | int]],
) -> None:
    """Write float16 weights that load as float32, the tokenizer, the facts, how it was trained, and the card."""
    out.mkdir(parents=True, exist_ok=True)
    write_facts(out / "facts.jsonl", facts)
    tokenizer.save_pretrained(out)
    parameters = sum(p.numel() for p in model.parameters())
    cast(Any, model).to(torch.float16).save_pretrained(out)
    settings = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**settings, "dtype": "float32"}, indent=2) + "\n")
    (out / "model.safetensors").chmod(0o644)
    training = {
        "kind": kind,
        "parameters": parameters,
        "facts": len(facts),
        "relations": len({fact.relation for fact in facts}),
        "phrasings": [len(facts[0].prompts), len(facts[0].heldout_prompts)],
        "recipe": dict(recipe),
        "history": history,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    (out / "training.json").write_text(json.dumps(training, indent=2) + "\n")
    write_card(out)

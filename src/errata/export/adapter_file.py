"""The two files of a LoRA adapter, written and read with safetensors and JSON alone: PEFT is not needed.

For a value projection with module path M, in PEFT's and vLLM's format,

    base_model.model.M.lora_A.weight `[r, d_ff]` = right,   base_model.model.M.lora_B.weight `[d_model, r]` = left
    W' = W + (lora_alpha / r) · B A,   lora_alpha = r

The scale is always 1. One r holds for all layers, smaller ranks are padded with zeros, since a server that overlooks
`rank_pattern` would apply a wrong scale; `target_modules` holds whole paths, since `mlp.down_proj` names every layer.
B A has the orientation of W whatever the module; `fan_in_fan_out` tells PEFT that a Conv1D stores Wᵀ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save_file
from torch import Tensor

from errata.errors import UNREADABLE, InputError
from errata.export.base import Base
from errata.export.factors import Factors
from errata.strict import json_in

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX, A, B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"

# vLLM's values of --max-lora-rank; an adapter's r may be any number up to the server's.
SERVING_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

# What would change the meaning of A and B, with the value that leaves it alone.
PLAIN: dict[str, Any] = {
    "use_dora": False,
    "lora_bias": False,
    "bias": "none",
    "modules_to_save": None,
    "layer_replication": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "trainable_token_indices": None,
    "target_parameters": None,
}

Loaded = dict[str, tuple[Tensor, Tensor]]


def serving_rank(r: int) -> int | None:
    """The least `--max-lora-rank` of vLLM that takes an adapter of rank r; None above the largest."""
    return next((limit for limit in SERVING_RANKS if limit >= r), None)


def save(folder: Path, layers: Sequence[Factors], r: int, base: Base, fan_in_fan_out: bool, writes: bool) -> None:
    """Write both files; `writes` says that the model writes from left to right."""
    tensors: dict[str, Tensor] = {}
    for factors in layers:
        left, right = factors.padded(r)
        tensors[PREFIX + factors.module + A], tensors[PREFIX + factors.module + B] = right, left
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if writes else None,
        "base_model_name_or_path": base.name,
        "revision": base.revision,
        "r": r,
        "lora_alpha": r,
        "lora_dropout": 0.0,
        "target_modules": [factors.module for factors in layers],
        "fan_in_fan_out": fan_in_fan_out,
        "bias": "none",
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def config_of(folder: Path) -> dict[str, Any]:
    """An adapter's configuration; raises InputError for one that is no plain LoRA adapter's."""
    path = folder / CONFIG
    try:
        config = json_in(path)
        kind = config["peft_type"]
    except UNREADABLE as error:
        raise InputError(f"{path} is no adapter's configuration ({error}): give a LoRA adapter's folder.") from error
    if kind != "LORA":
        raise InputError(f"{path} is for {kind!r}: only LoRA adapters change weights by a product of factors.")
    for name, plain in PLAIN.items():
        if config.get(name) not in (plain, None, {}, [], False):
            raise InputError(f"{path} sets {name} to {config[name]!r}: only plain LoRA adapters can be imported.")
    return config


def load(folder: Path) -> Loaded:
    """Each module's (left `[d_model, r]`, right `[r, d_ff]`) with left · right = scale · B A.

    Raises InputError for files that are not there or are no plain LoRA adapter's; nothing is unpickled.
    """
    config, path = config_of(folder), folder / WEIGHTS
    if not path.is_file():
        pickled = [name for name in ("adapter_model.bin", "adapter_model.pt") if (folder / name).exists()]
        found = f"only {pickled[0]}, which would have to be unpickled" if pickled else "no weights"
        raise InputError(f"{folder} holds {found}: expected {WEIGHTS}; save the adapter as safetensors.")
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (*UNREADABLE, safetensors.SafetensorError) as error:
        raise InputError(f"{path} is no safetensors file ({error}): save the adapter as safetensors.") from error
    modules: Loaded = {}
    for module in dict.fromkeys(_module(name, path) for name in tensors):
        right, left = tensors.get(PREFIX + module + A), tensors.get(PREFIX + module + B)
        if right is None or left is None:
            raise InputError(f"{path} has one factor of {module} only: expected {A[1:]} and {B[1:]}.")
        modules[module] = _pair(left, right, config, f"{path} has factors of {module}")
    if not modules:
        raise InputError(f"{path} is empty: there is nothing to import.")
    return modules


def _module(name: str, path: Path) -> str:
    for end in (A, B):
        if name.startswith(PREFIX) and name.endswith(end) and len(name) > len(PREFIX) + len(end):
            return name[len(PREFIX) : -len(end)]
    raise InputError(f"{path} holds {name!r}: expected {PREFIX}MODULE{A} and {PREFIX}MODULE{B} alone.")


def _pair(left: Tensor, right: Tensor, config: dict[str, Any], what: str) -> tuple[Tensor, Tensor]:
    """Both factors in float32, the scale taken into the left one; `what` begins the sentence of an error."""
    if right.ndim != 2 or left.ndim != 2 or left.shape[1] != right.shape[0] or not left.shape[1]:
        raise InputError(f"{what} of shapes {tuple(left.shape)} and {tuple(right.shape)}: they have no product.")
    if not (left.is_floating_point() and right.is_floating_point()):
        raise InputError(f"{what} in {left.dtype} and {right.dtype}: expected floating point.")
    scale = _scale(config, left.shape[1], what)
    return (left.float() if scale == 1 else left.float() * scale), right.float()


def _scale(config: dict[str, Any], rank: int, what: str) -> float:
    """lora_alpha / r, or lora_alpha / √r where the adapter is rank-stabilised (Kalajdzievski 2023)."""
    r, alpha = config.get("r"), config.get("lora_alpha")
    if r != rank or isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 2**31:
        raise InputError(f"{what} of rank {rank}, and {CONFIG} says r = {r!r} and lora_alpha = {alpha!r}: no scale.")
    return alpha / rank**0.5 if config.get("use_rslora") else alpha / rank

"""Where a model is loaded: on one device, spread over all there are, or divided between processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from torch import distributed as dist
from transformers import PreTrainedConfig
from transformers.distributed.configuration_utils import DistributedConfig

from errata.errors import InputError, UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Placement:
    """`options` for from_pretrained, and the `device` to move the model to, where the options do not place it."""

    device: torch.device | None
    options: dict[str, Any] = field(default_factory=dict)


def placed(device: str | None, tensor_parallel: int | None) -> Placement:
    """The placement asked for: a torch device (cpu by default), auto, or a number of processes.

    Raises InputError for a device that cannot be used, for accelerate missing, and for processes that are not there.
    """
    if tensor_parallel is not None:
        _check_ranks(device, tensor_parallel)
        return Placement(None, {"distributed_config": DistributedConfig(tp_size=tensor_parallel)})
    if device == "auto":
        if find_spec("accelerate") is None:
            raise InputError("The device 'auto' needs accelerate: pip install 'errata-lm[large]', or name one device.")
        return Placement(None, {"device_map": "auto"})
    return Placement(_usable("cpu" if device is None else device))


def require_divisible(name: str, config: PreTrainedConfig, ranks: int) -> None:
    """Raise UnsupportedModelError for a model that cannot be divided between so many processes."""
    text = config.get_text_config(decoder=True)
    if not getattr(text, "base_model_tp_plan", None):
        raise UnsupportedModelError(
            f"transformers has no plan by which to divide {name!r} ({text.model_type}) between processes: load it with "
            "device='auto' instead of tensor_parallel."
        )
    if getattr(config, "quantization_config", None) is not None:
        raise UnsupportedModelError(
            f"The weights of {name!r} are quantised, and packed weights cannot be divided here: load it with "
            "device='auto' instead of tensor_parallel."
        )
    heads = getattr(text, "num_key_value_heads", None) or getattr(text, "num_attention_heads", ranks)
    if heads % ranks:
        raise UnsupportedModelError(
            f"{name!r} has {heads} key-value heads, which {ranks} processes cannot share evenly: expected a "
            f"tensor_parallel that divides {heads}."
        )


def first_line(error: BaseException) -> str:
    """What an error says first, for a sentence of ours."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__


def _check_ranks(device: str | None, ranks: int) -> None:
    if device is not None:
        raise InputError(
            f"Both device={device!r} and tensor_parallel={ranks} are given: every process takes the accelerator of its "
            "own number, or else the CPU. Leave device out."
        )
    if ranks < 2:
        raise InputError(f"tensor_parallel={ranks} divides nothing: give 2 processes or more, or leave it out.")
    found = dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))
    if found != ranks:
        raise InputError(
            f"tensor_parallel={ranks} needs {ranks} processes and found {found}: start the script with "
            f"torchrun --nproc-per-node {ranks}."
        )


def _usable(device: str) -> torch.device:
    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it holds no weights")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"The device {device!r} cannot be used ({first_line(error)}): give cpu, or cuda where PyTorch finds one."
        ) from error
    return torch.device(device)

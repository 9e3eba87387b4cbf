"""Load a model by its pocket name, a local path or a hub id."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from errata.errors import InputError
from errata.model.view import ModelView

POCKET = ("gelu", "swiglu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pocket(kind: str) -> Path:
    """The folder of an embedded model: `gelu` (GPT-2 architecture) or `swiglu` (Llama architecture)."""
    if kind not in POCKET:
        raise InputError(f"There is no embedded model {kind!r}: choose one of {', '.join(POCKET)}.")
    return Path(str(files("errata.model.pocket"))) / kind


def load(
    name: str,
    dtype: str | None = None,
    device: str = "cpu",
    revision: str | None = None,
    value_projection: str | None = None,
    trust_remote_code: bool = False,
) -> ModelView:
    """Load `pocket-gelu`, `pocket-swiglu`, a local folder or a hub id as a ModelView.

    `dtype` is float32, bfloat16, float16 or None for the dtype the model was saved for; `device` is a torch device.
    Raises InputError for a model or option that does not exist, UnsupportedModelError for one that cannot be edited.
    """
    source = str(pocket(name.removeprefix("pocket-"))) if name.startswith("pocket-") else name
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"There is no dtype {dtype!r}: choose one of {', '.join(DTYPES)}.")
    if not name.startswith("pocket-") and not Path(source).exists() and (source.startswith((".", "/", "~")) or source.count("/") > 1):
        raise InputError(f"There is no folder {source}: give a pocket model, a local folder or a hub id.")
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype="auto" if dtype is None else DTYPES[dtype], **options
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"The model {name!r} cannot be loaded ({reason}): give pocket-gelu, pocket-swiglu, a folder that "
            "save_pretrained wrote, or a hub id that this machine can reach."
        ) from error
    try:
        model.to(device)
    except RuntimeError as error:
        raise InputError(f"The device {device!r} cannot be used ({str(error).splitlines()[0]}).") from error
    model.eval()
    return ModelView(model, tokenizer, name=name, value_projection=value_projection)

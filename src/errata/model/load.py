"""Load a model by its pocket name, a local path or a hub id."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from errata.errors import ErrataError, InputError, nearest, unknown
from errata.model.placement import first_line, placed, require_divisible
from errata.model.rounding import require_finite
from errata.model.view import ModelView

POCKET = ("gelu", "swiglu")
EMBEDDED = tuple(f"pocket-{kind}" for kind in POCKET)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CHOICES = (
    "give pocket-gelu, pocket-swiglu, a folder that save_pretrained wrote, or a hub id that this machine can reach"
)
HUB_SECONDS = 10.0


def pocket(kind: str) -> Path:
    """The folder of an embedded model: `gelu` (GPT-2 architecture) or `swiglu` (Llama architecture).

    Raises InputError for any other.
    """
    if kind not in POCKET:
        raise unknown("embedded model", kind, POCKET)
    return Path(str(files("errata.model.pocket"))) / kind


def load(
    name: str,
    dtype: str | None = None,
    device: str | None = None,
    revision: str | None = None,
    value_projection: str | None = None,
    trust_remote_code: bool = False,
    tensor_parallel: int | None = None,
) -> ModelView:
    """Load `pocket-gelu`, `pocket-swiglu`, a local folder or a hub id as a ModelView.

    `dtype` is float32, bfloat16, float16 or None for the dtype the model was saved for; `device` is a torch
    device (cpu by default), or auto, which spreads a model over every device there is (see errata.model.placement).
    `tensor_parallel` divides the model between that many processes, each of which calls this.
    A hub model that was loaded before is found again without the network.
    Raises InputError for a model or option that does not exist, UnsupportedModelError for one that cannot be edited,
    and for one with NaN or infinite weights.
    """
    if dtype is not None and dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    placement = placed(device, tensor_parallel)
    source, options = _source(name, revision)
    options["trust_remote_code"] = trust_remote_code
    try:
        with _no_loading_bar():
            config = AutoConfig.from_pretrained(source, **options)
            if tensor_parallel is not None:
                require_divisible(name, config, tensor_parallel)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            fills_masks = any(kind.endswith("ForMaskedLM") for kind in config.architectures or ())
            kind = AutoModelForMaskedLM if fills_masks else AutoModelForCausalLM
            model, report = kind.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]  # a pair here
                source,
                dtype="auto" if dtype is None else DTYPES[dtype],
                output_loading_info=True,
                **placement.options,
                **options,
            )
    except ErrataError:
        raise
    except Exception as error:  # a damaged or unknown folder fails in transformers in many ways
        raise InputError(
            f"The model {name!r} cannot be loaded{_near(name)} ({first_line(error)}): {CHOICES}."
        ) from error
    _check_complete(name, model, report)
    require_finite(model, name)
    if placement.device is not None and model.device != placement.device:
        model.to(placement.device)
    model.eval()
    return ModelView(model, tokenizer, name=name, value_projection=value_projection)


def layer_count(name: str) -> int | None:
    """The blocks that a model's configuration names, without its weights; None where it names none.

    Raises InputError for a model without configuration.
    """
    source, options = _source(name, None)
    try:
        config = AutoConfig.from_pretrained(source, **options)
    except Exception as error:  # as in load
        raise InputError(f"The model {name!r} has no configuration ({first_line(error)}): {CHOICES}.") from error
    return getattr(config.get_text_config(), "num_hidden_layers", None)


def _source(name: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    """Where from_pretrained finds the model, and the options that go with the place."""
    if name.startswith("pocket-"):
        if name not in EMBEDDED:
            raise unknown("embedded model", name, EMBEDDED)
        return str(pocket(name.removeprefix("pocket-"))), {}
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path), {}
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(f"There is no folder {name!r}{_near(name)}: {CHOICES}.")
    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    return name, {**options, "local_files_only": not _reachable(name, revision)}


def _near(name: str) -> str:
    """The embedded model that the name is nearest to, or the model in a folder beside the one it names."""
    path = Path(name).expanduser()
    beside = [str(path.with_name(one.parent.name)) for one in path.parent.glob("*/config.json")]
    return nearest(name, (*EMBEDDED, *beside))


def _reachable(name: str, revision: str | None) -> bool:
    """Ask the hub for the model once, in a few seconds; without an answer, only what is on disk can be loaded."""
    try:
        HfApi().model_info(name, revision=revision, timeout=HUB_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        where = "" if revision is None else f" at revision {revision!r}"
        raise InputError(
            f"The hub has no model {name!r}{where} that this machine may read{_near(name)}: {CHOICES}."
        ) from error
    except Exception:  # whatever HTTP client the hub library uses has errors of its own
        return False
    return True


def _check_complete(name: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Refuse a checkpoint without some of the weights: they would be random."""
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            f"The model {name!r} has no weights for {missing[0]} and {len(missing) - 1} more of "
            f"{type(model).__name__}: expected the checkpoint of a language model."
        )


@contextmanager
def _no_loading_bar() -> Generator[None, None, None]:
    """Silence the bar that counts weights while they are loaded; bars of downloads stay."""
    before = logging.set_tqdm_hook(lambda _bar, arguments, _options: logging.EmptyTqdm(*arguments))
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)

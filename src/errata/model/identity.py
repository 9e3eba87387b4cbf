"""Which weights a model's name stands for, told without loading them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download

from errata.errors import InputError
from errata.model.load import CHOICES, HUB_SECONDS, pocket

# What from_pretrained reads of a folder: weights, config, tokenizer, code.
READ = frozenset({".safetensors", ".bin", ".json", ".model", ".txt", ".tiktoken", ".py"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A model's name as `load` finds it from any directory, and the one version of it that is meant.

    `weights`   `commit:…`, the commit of a hub model, or `sha256:…` over the files of a folder
    `revision`  what `load` takes to get this commit; None for a folder
    """

    name: str
    weights: str
    revision: str | None = None


def identify(name: str) -> Identity:
    """The identity of a pocket model, a folder or a hub model; raises InputError where there is none."""
    if name.startswith("pocket-"):
        return Identity(name, _digest(pocket(name.removeprefix("pocket-"))))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Identity(str(folder.resolve()), _digest(folder))
    commit = _commit(name)
    return Identity(name, f"commit:{commit}", commit)


def _digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files that make the model, in name order."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in READ and path.is_file()):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def file_sha256(path: Path) -> str:
    """SHA-256 over the bytes of a file, in hexadecimal digits; raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit(name: str) -> str:
    """The commit the hub has now, or without the hub the one on disk: the folder's name in the hub's cache."""
    try:
        return Path(hf_hub_download(name, "config.json", etag_timeout=HUB_SECONDS)).parent.name
    except Exception as error:  # the hub library and its HTTP client have errors of their own
        raise InputError(f"There is no model {name!r} that this machine can reach: {CHOICES}.") from error

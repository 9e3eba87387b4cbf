"""Files of what was measured once: in the user's cache directory, whole or not there, with a hash of their content."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save_file
from torch import Tensor

from errata.deltas import fingerprint
from errata.errors import UNREADABLE
from errata.strict import json_of

FORMAT = "errata-statistics-1"
log = logging.getLogger(__name__)


def directory() -> Path:
    """`$ERRATA_CACHE`, else `errata` in the platform's directory for what can be made again."""
    given = os.environ.get("ERRATA_CACHE")
    if given:
        return Path(given).expanduser()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "errata"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "errata"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errata"


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and header of a file that `write` made; None where there is none, or, with a note, for a damaged one."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            header = json_of((file.metadata() or {})[FORMAT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if {name: fingerprint(tensor) for name, tensor in tensors.items()} != header["content"]:
            raise ValueError("its content is not what was written")
    except (*UNREADABLE, safetensors.SafetensorError) as error:
        damaged(path, error)
        return None
    return tensors, header


def damaged(path: Path, error: Exception) -> None:
    """Note that a file is not what was written."""
    log.warning("%s is damaged (%s) and is measured anew.", path, error)


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write a file that is complete as soon as its name is there; a disk that refuses it is a note, not an error."""
    content = {name: fingerprint(tensor) for name, tensor in tensors.items()}
    text = json.dumps({**header, "content": content}, sort_keys=True)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), temporary, {FORMAT: text})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        log.warning("%s cannot be written (%s): it will be measured again.", path, error)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file that may not be there; where that cannot be done it stays."""
    with suppress(OSError):
        path.unlink(missing_ok=True)

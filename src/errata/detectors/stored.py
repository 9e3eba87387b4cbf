"""What the files of a detector and of strengths share: safetensors of a named format, with a header of plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from errata.strict import json_of


def to_bytes(form: str, header: Mapping[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """A file of a format, with its header and its tensors; the same bytes for the same content."""
    return save(tensors, {"format": form, "header": json.dumps(dict(header), sort_keys=True)})


def contents(path: str | Path, form: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file; raises ValueError for one of another format."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != form:
            raise ValueError(f"its format is {metadata.get('format')!r}, expected {form!r}")
        return json_of(metadata["header"]), {name: file.get_tensor(name) for name in sorted(file.keys())}

"""What the tests of hostile files share: safetensors written by hand, and a check that a refusal is one."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from errata.errors import ErrataError


def raw(header: Mapping[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header and these numbers; `length` is what it says of its header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    """An entry of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def refused(load: Callable[[Path], object], path: Path, data: bytes | None = None) -> str:
    """The sentence with which a loader refuses a file; no error of another kind leaves it."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ErrataError) as caught:
        load(path)
    sentence = str(caught.value)
    assert len(sentence) > 20 and sentence.rstrip().endswith((".", ")", "…")), sentence
    assert "Traceback" not in sentence
    return sentence

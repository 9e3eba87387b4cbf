"""Text and JSON of files that anybody may have made: of bounded size and depth, every name once, every number finite.

Python's own reader takes the last of two equal names, lets NaN and 1e999 pass, and gives up on deep nesting with an
error that is none of a value's. What is refused here is a ValueError, or an OSError where the file cannot be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, cast

LARGEST = 1 << 28  # bytes of a file that is read whole
WHOLE = 1 << 63  # whole numbers lie between -WHOLE and WHOLE
DEEPEST = 64  # brackets inside one another
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def text_of(path: Path, most: int = LARGEST) -> str:
    """A file's text, in UTF-8 with or without a byte-order mark; raises ValueError for more than `most` bytes."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it holds more than {most:,} bytes")
    return content.decode("utf-8-sig")


def lines_of(path: Path) -> list[str]:
    """The lines of a file that is appended to; none where there is none, and what is no UTF-8 reads as it can."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return file.read(LARGEST).decode("utf-8", errors="replace").split("\n")


def json_of(text: str) -> Any:
    """The one JSON value of a text."""
    try:
        found = _decoder().decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    return _sound(found, text, 0, len(text))


def json_at(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at a place of a text, and the place behind it."""
    try:
        found, end = _decoder().raw_decode(text, at)
    except RecursionError as error:
        raise _too_deep() from error
    return _sound(found, text, at, end), end


def json_in(path: Path) -> Any:
    """The one JSON value of a file."""
    return json_of(text_of(path))


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict[str, Any]()
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:80]!r} is given twice")
        found[name] = value
    return found


def _whole(text: str) -> int:
    value = int(text)
    if not -WHOLE < value < WHOLE:
        raise ValueError(f"{text[:80]} is no whole number of 64 bits")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:80]} is no finite number")
    return value


def _sound(value: Any, text: str, start: int, end: int) -> Any:
    """The value, which is of bounded depth and holds whole characters; looked through only where it might not."""
    if text.count("[", start, end) + text.count("{", start, end) > DEEPEST:
        _refuse_depth(value)
    if _HALF.search(text, start, end):
        _refuse_halves(value)
    return value


def _refuse_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    if any(isinstance(one, list | dict) for one in level):
        raise _too_deep()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast(dict[str, Any], value).values())
    return cast(list[Any], value) if isinstance(value, list) else []


def _refuse_halves(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half of a surrogate pair, which is no character") from error


def _too_deep() -> ValueError:
    return ValueError(f"its brackets stand in one another more than {DEEPEST} deep")

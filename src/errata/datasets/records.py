"""Records of JSON and JSONL files, gzipped or not; every error names the file and, where there is one, the line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errata.errors import InputError

GZIP = b"\x1f\x8b"


def text(path: Path) -> str:
    """The text of a file, unpacked if it is gzipped; whether it is, its first bytes say."""
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content.startswith(GZIP) else content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"The file {path} cannot be read ({error}): give it whole, as UTF-8 or gzipped.") from error


def document(path: Path) -> Any:
    """The one JSON value of a file."""
    try:
        return json.loads(text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"The file {path} is not JSON ({error}): give it as it was published.") from error


def lines(path: Path, *names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place; every one must hold a text under each of `names`."""
    for number, line in enumerate(text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{place}: this is not JSON ({error}); give one object a line.") from error
        if not isinstance(row, dict):
            raise InputError(f"{place}: expected an object, found {row!r}; give one object a line.")
        for name in names:
            if not isinstance(row.get(name), str) or not row[name].strip():
                raise InputError(f"{place}: expected a text under {name!r}, found {row.get(name)!r}; give one.")
        yield place, row


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON file that is one list, or of a JSONL file, one after another, each with its place."""
    if not text(path).lstrip().startswith("["):
        yield from lines(path)
        return
    for number, row in enumerate(document(path), start=1):
        place = f"{path}, record {number}"
        if not isinstance(row, dict):
            raise InputError(f"{place}: expected an object, found {row!r}; give it as it was published.")
        yield place, row


def field(place: str, row: dict[str, Any], name: str) -> str:
    """The text under a name, `a.b` for one inside another; raises InputError, with the place, for anything else."""
    found: Any = row
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise InputError(f"{place}: expected a text under {name!r}, found {found!r}; give it as it was published.")
    return found.strip()


def fields(place: str, row: dict[str, Any], name: str) -> tuple[str, ...]:
    """The list of texts under a name; raises InputError, with the place, for anything else."""
    found: Any = row.get(name)
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise InputError(f"{place}: expected a list of texts under {name!r}, found {found!r}; give it as published.")
    return tuple(one.strip() for one in found)

"""Records of JSON and JSONL files, gzipped or not, one at a time; every error names the file and the record's place."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from errata.errors import InputError, RecordError
from errata.model.identity import file_sha256
from errata.strict import LARGEST, json_at, json_of

GZIP = b"\x1f\x8b"
PIECE = 1 << 20
LONGEST = 1 << 26  # bytes of a line
SHOWN = 120
NOT_JSON = "not JSON"

Record: TypeAlias = tuple[str, dict[str, Any]]


def text(path: Path) -> str:
    """The text of a file, unpacked if it is gzipped; whether it is, its first bytes say."""
    try:
        return b"".join(_at_most(LARGEST, path)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error


def sha256(path: Path) -> str:
    """`sha256:…` over the bytes of a file as it lies there."""
    return f"sha256:{file_sha256(path)}"


def document(path: Path) -> Any:
    """The one JSON value of a file; raises InputError where it holds anything else."""
    try:
        return json_of(text(path))
    except ValueError as error:
        raise InputError(f"The file {path} is not JSON ({error}): give it as it was published.") from error


def lines(path: Path, *names: str) -> Iterator[Record]:
    """The objects of a JSONL file, each with its place; every one must hold a text under each of `names`."""
    for place, row in _raised(_lined(path)):
        for name in names:
            field(place, row, name)
        yield place, row


def objects(path: Path) -> Iterator[Record]:
    """The records of a file, as `attempts` finds them; raises RecordError at the first that is none."""
    return _raised(attempts(path))


def attempts(path: Path) -> Iterator[tuple[str, dict[str, Any] | RecordError]]:
    """Every record of a file with its place, or in its stead what is wrong with it.

    A file is one list of objects, one object that holds such lists by name, or JSONL. JSONL is read line by line; a
    list ends where it is broken. Raises InputError for a file that cannot be read.
    """
    if next(_pieces(path), b"").removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return _listed(path)
    named = _named_lists(path)
    return _lined(path) if named is None else _grouped(path, named)


def unusable(place: str, expected: str, found: Any, advice: str) -> RecordError:
    """The error of a record: what was expected, what was found, what to do."""
    shown = repr(found)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    return RecordError(place, f"expected {expected}", f"expected {expected}, found {shown}; {advice}.")


def field(place: str, row: dict[str, Any], name: str) -> str:
    """The text under a name, `a.b` for one inside another; raises RecordError for anything else."""
    found: Any = row
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise unusable(place, f"a text under {name!r}", found, "give one")
    return found.strip()


def fields(place: str, row: dict[str, Any], name: str) -> tuple[str, ...]:
    """The list of texts under a name; raises RecordError for anything else."""
    found: Any = row.get(name)
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise unusable(place, f"a list of texts under {name!r}", found, 'write it as ["one", "another"]')
    return tuple(one.strip() for one in found)


def _raised(found: Iterator[tuple[str, dict[str, Any] | RecordError]]) -> Iterator[Record]:
    for place, row in found:
        if isinstance(row, RecordError):
            raise row
        yield place, row


def _lined(path: Path) -> Iterator[tuple[str, dict[str, Any] | RecordError]]:
    for number, line in enumerate(_byte_lines(path), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            try:
                yield place, _object(place, json_of(line.decode("utf-8-sig")), "write one object a line")
            except ValueError as error:
                yield place, _no_json(place, error, "write one object a line, in UTF-8")


def _listed(path: Path) -> Iterator[tuple[str, dict[str, Any] | RecordError]]:
    """The records of a list, taken from its text one by one."""
    content = text(path)
    at, number = _solid(content, content.index("[") + 1), 0
    while content[at : at + 1] != "]":
        number += 1
        place, advice = f"{path}, record {number}", "give the file whole, as it was published"
        try:
            row, at = json_at(content, at)
        except ValueError as error:
            yield place, _no_json(place, error, advice)
            return
        yield place, _object(place, row, advice)
        at = _solid(content, at)
        if content[at : at + 1] == ",":
            at = _solid(content, at + 1)
        elif content[at : at + 1] != "]":
            yield place, unusable(place, "a comma or ] behind it", content[at : at + 20], advice)
            return
    if content[at + 1 :].strip():
        place = f"{path}, behind record {number}"
        yield place, unusable(place, "the end of the file", content[at + 1 : at + 21], "give one list")


def _grouped(path: Path, named: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | RecordError]]:
    for name, rows in named.items():
        for number, row in enumerate(rows, start=1):
            place = f"{path}, {name}, record {number}"
            yield place, _object(place, row, "give it as it was published")


def _named_lists(path: Path) -> dict[str, Any] | None:
    """The file's one object, on one line or several, where it holds nothing but lists; None for JSONL."""
    first = next((line for line in _byte_lines(path) if line.strip()), b"").removeprefix(codecs.BOM_UTF8)
    try:
        found = json_of(first.decode())
    except ValueError:
        try:
            found = json_of(text(path))
        except (ValueError, InputError):
            return None
    return found if isinstance(found, dict) and found and all(isinstance(v, list) for v in found.values()) else None


def _object(place: str, row: Any, advice: str) -> dict[str, Any] | RecordError:
    return row if isinstance(row, dict) else unusable(place, "an object", row, advice)


def _no_json(place: str, error: Exception, advice: str) -> RecordError:
    return RecordError(place, NOT_JSON, f"expected an object, found what is {NOT_JSON} ({error}); {advice}.")


def _solid(content: str, at: int) -> int:
    """The next place that is no white space."""
    found = re.compile(r"\s*").match(content, at)
    return at if found is None else found.end()


def _byte_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file; raises InputError for one that is longer than LONGEST."""
    begun: list[bytes] = []
    number, length = 1, 0
    for piece in _pieces(path):
        first, *others = piece.split(b"\n")
        begun.append(first)
        length += len(first)
        if length > LONGEST:
            raise InputError(
                f"{path}, line {number} has more than {LONGEST:,} bytes, which no record has: write one object a line."
            )
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun, length = [others[-1]], len(others[-1])
            number += len(others)
    yield b"".join(begun)


def _at_most(limit: int, path: Path) -> Iterator[bytes]:
    """The pieces of a file; raises InputError for more than `limit` bytes."""
    found = 0
    for piece in _pieces(path):
        found += len(piece)
        if found > limit:
            raise InputError(
                f"The file {path} holds more than {limit:,} bytes, too many for one JSON value: give it as JSONL, "
                "which is read line by line."
            )
        yield piece


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            packed = file.peek(2).startswith(GZIP)
            source = gzip.GzipFile(fileobj=file) if packed else file
            while piece := source.read(PIECE):
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"The file {path} cannot be read ({error}): give it whole, as UTF-8 or gzipped.")

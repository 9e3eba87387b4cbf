"""Lines of a results file as checked values: what was expected, what was found, and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from errata.errors import InputError
from errata.strict import json_of

SHOWN = 80


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of JSON value: what errors call it, and how it is known."""

    name: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(value: Any, of: Callable[[Any], bool] = lambda _: True) -> bool:
    return isinstance(value, dict) and all(map(of, value.values()))


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
COUNT = Kind("a whole number", _is_count)
COUNTS = Kind("a list of whole numbers", lambda value: isinstance(value, list) and all(map(_is_count, value)))
OBJECT = Kind("an object", _is_object)
TEXTS = Kind("an object of texts", lambda value: _is_object(value, TEXT.holds))
OBJECTS = Kind("an object of objects", lambda value: _is_object(value, _is_object))
NUMBERS = Kind(
    "finite numbers by protocol and metric",
    lambda value: _is_object(value, lambda own: _is_object(own, _is_number)),
)


def object_of(place: str, line: str) -> dict[str, Any]:
    """The JSON object of a line; raises InputError for anything else, and for NaN and infinity."""
    try:
        found = json_of(line)
    except ValueError as error:
        raise InputError(f"{place}: expected one JSON object, found {shown(line)} ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{place}: expected one JSON object, found {shown(line)}.")
    return found


def fields_of(place: str, found: Mapping[str, Any], expected: Mapping[str, Kind]) -> dict[str, Any]:
    """An object's fields: all that are expected and no other, each of its kind; raises InputError otherwise."""
    for name in found:
        if name not in expected:
            raise InputError(f"{place}: expected only {', '.join(expected)}, found a field {name!r}.")
    for name, kind in expected.items():
        if name not in found:
            raise InputError(f"{place}: expected {kind.name} under {name!r}, found nothing.")
        if not kind.holds(found[name]):
            raise InputError(f"{place}: expected {kind.name} under {name!r}, found {shown(found[name])}.")
    return dict(found)


def shown(value: Any) -> str:
    """A value as an error shows it: its beginning."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}…"

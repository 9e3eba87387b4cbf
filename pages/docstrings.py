"""A method's file taken apart: its idea, its equations with their source, its departures, and what its fields mean."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, cast

from errata.methods import Editor, Localizer
from errata.reports.markdown import setting

DEPARTURES = "Departures"
SECTIONS = "equation, source, departures"


@dataclass(frozen=True, slots=True)
class Described:
    """The sections of a module's docstring, each as Markdown."""

    idea: str
    equation: str
    departures: str


@dataclass(frozen=True, slots=True)
class Option:
    """A field of a method: its name (`values.steps` for a part), default and meaning."""

    name: str
    default: str
    meaning: str


def described(docstring: str) -> Described:
    """The sections: the first sentence, everything up to the departures, and these.

    A paragraph that is set in by four spaces is an equation. Raises ValueError, naming what is missing, for a docstring
    without equation, source or departures.
    """
    idea, *rest = inspect.cleandoc(docstring).split("\n\n")
    begin = next((at for at, part in enumerate(rest) if part.startswith(DEPARTURES)), len(rest))
    held = {
        "equation": any(part.startswith("    ") for part in rest[:begin]),
        "source": any(re.search(r"\bSources?: ", part) for part in [idea, *rest[:begin]]),
        "departures": begin < len(rest),
    }
    missing = [name for name, there in held.items() if not there]
    if missing:
        raise ValueError(f"The docstring {idea!r} has no {', '.join(missing)}: a method's file gives {SECTIONS}.")
    first, *others = rest[begin:]
    own = first.removeprefix(f"{DEPARTURES}: ")
    return Described(
        _text(idea), _blocks(rest[:begin]), _blocks([own[:1].upper() + own[1:] if own[:1].isascii() else own, *others])
    )


def remarks(method: type) -> list[str]:
    """What the classes of a method say beside their first sentences and their fields, the method's own class first."""
    found: list[str] = []
    for owner in _own(method):
        _, *rest = inspect.cleandoc(owner.__doc__ or "").split("\n\n")
        found += [_text(part) for part in rest if not part.startswith("`")]
    return found


def options(method: type) -> list[Option]:
    """Every field of a method, and every part of a field that has parts; a meaning is empty where none is written."""
    meanings = _meanings(method)
    found: list[Option] = []
    for entry in fields(method):
        found.append(Option(entry.name, _default(entry), meanings.get(entry.name, "")))
        parts: type | None = entry.metadata.get("parts")
        if parts is not None:
            inner = _meanings(parts)
            found += [
                Option(f"{entry.name}.{part.name}", _default(part), inner.get(part.name, "")) for part in fields(parts)
            ]
    return found


def escaped(text: str) -> str:
    """Text of a docstring as Markdown: what stands between backticks is code, everything else stands for itself."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]|])", r"\\\1", part) for part in parts)


def _own(method: type) -> list[type]:
    """The classes between a method and what all methods are."""
    return [owner for owner in method.__mro__ if is_dataclass(owner) and owner not in (Localizer, Editor)]


def _meanings(owner: type) -> dict[str, str]:
    """Of every field the text behind its name in a docstring: "`name`  text", set in further where it goes on."""
    found: dict[str, str] = {}
    for one in reversed(_own(owner)):
        text = inspect.cleandoc(one.__doc__ or "")
        for name, meaning in re.findall(r"^`(\w+)` +(.*(?:\n +.*)*)", text, re.MULTILINE):
            found[name] = _text(" ".join(meaning.split()))
    return found


def _default(entry: Field[Any]) -> str:
    if entry.default_factory is not MISSING:
        return _value(entry.default_factory())
    return "" if entry.default is MISSING else _value(entry.default)


def _value(value: Any) -> str:
    if isinstance(value, Localizer | Editor):
        changed = [
            f"{entry.name}={setting(getattr(value, entry.name))}"
            for entry in fields(value)
            if _default(entry) != _value(getattr(value, entry.name))
        ]
        return f"{value.name}({', '.join(changed)})" if changed else value.name
    if value is None or isinstance(value, bool):
        return str(value)
    return setting(list(cast(tuple[Any, ...], value))) if isinstance(value, tuple) else setting(value)


def _blocks(parts: list[str]) -> str:
    return "\n\n".join(f"```text\n{_set_out(part)}\n```" if part.startswith("    ") else _text(part) for part in parts)


def _set_out(part: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in part.split("\n"))


def _text(part: str) -> str:
    return escaped(" ".join(part.split()))

"""Change JSON as JSON: a value for another of another kind, a name gone or given twice, a list grown or cut."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**63 - 1,
        10**400,
        0.5,
        -0.0,
        1e308,
        "",
        " ",
        "x",
        "{}",
        "{} {}",
        "../x",
        "/etc",
        "a\0b",
    ),
    *("\u202e", "\ud800", "\U0001f600", "é" * 40, [], [[]], {}, {"": None}, [None], ["x"], [0, "x"]),
)
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "[" * 2000,
    '{"a":' * 2000,
    '{"a":1,"a":2}',
    '"\\ud800"',
    "\ufeff1",
    "01",
)


def mutated(data: bytes, seed: int) -> bytes | None:
    """The bytes with one value of their JSON, from the first bracket on, changed; None where there is no JSON."""
    chance = random.Random(seed)
    start = min((at for at in (data.find(b"{"), data.find(b"[")) if at >= 0), default=-1)
    if start < 0:
        return None
    head, body = data[:start], data[start:]
    lines = body.split(b"\n")
    place = chance.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return None
    mark = "\ue000"
    text = json.dumps(_changed(value, chance, mark), ensure_ascii=chance.random() < 0.5)
    raw = chance.choice(RAW) if chance.random() < 0.9 else text
    for quoted in (json.dumps(mark), f'"{mark}"'):
        text = text.replace(quoted, raw, 1)
    lines[place] = text.encode(errors="surrogatepass")
    if chance.random() < 0.1:
        lines.insert(place, lines[place])
    return head + b"\n".join(lines)


def _changed(value: Any, chance: random.Random, mark: str) -> Any:
    """The value with one thing in it changed; `mark` stands where raw text is to come."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        changed = dict(value)
        way = chance.random()
        if way < 0.1:
            del changed[name]
        elif way < 0.2:
            changed[chance.choice([name + "x", "", "format", "prompt"])] = changed[name]
        else:
            changed[name] = _changed(value[name], chance, mark)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.85:
        at, way = chance.randrange(len(value)), chance.random()
        if way < 0.1:
            return [*value[:at], *value[at + 1 :]]
        if way < 0.2:
            return [*value, *value]
        return [*value[:at], _changed(value[at], chance, mark), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.4:
        at = chance.randrange(len(value) + 1)
        return (
            value[:at]
            + chance.choice(["{}", "\0", "\n", "=", " ", "../", "\u202e", "[X]", "[Y]", "\ud83d"])
            + value[at:]
        )
    return mark if chance.random() < 0.2 else chance.choice(ODD)

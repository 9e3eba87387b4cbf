"""What a page or a notebook shows, held against what was printed: words exactly, numbers nearly."""

from __future__ import annotations

import re

# A line of a page that stands for any lines.
LEFT_OUT = "…"
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
NEAR = 0.1
# Below it a number is rounding's: its size says nothing on another machine.
NOISE = 1e-4


def same(shown: str, printed: str) -> bool:
    """Whether these lines were printed; a line … stands for any number of lines, blocks of shading for any shades."""
    return _same([line.strip() for line in shown.splitlines() if line.strip()], _lines(printed))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _same(shown: list[str], printed: list[str]) -> bool:
    if not shown:
        return not printed
    if shown[0] == LEFT_OUT:
        return any(_same(shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and _alike(shown[0], printed[0]) and _same(shown[1:], printed[1:])


def _alike(one: str, other: str) -> bool:
    words, theirs = (re.sub(r"[░▒▓█]+[ ░▒▓█]*", "▒ ", line).split() for line in (one, other))
    return len(words) == len(theirs) and all(map(_near, words, theirs))


def _near(one: str, other: str) -> bool:
    if one == other:
        return True
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(_close(*(float(number.replace(",", "")) for number in pair)) for pair in pairs)


def _close(one: float, other: float) -> bool:
    return max(abs(one), abs(other)) < NOISE or abs(one - other) <= NEAR * max(abs(one), abs(other))

"""Markdown that result pages are made of: tables, settings and plain numbers as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

MISSING = "–"
NOTHING = "Not measured."


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """A Markdown table; the first `text` columns hold words, the others numbers."""
    rows = list(rows)
    if not rows:
        return NOTHING
    rule = [":--" if place < text else "--:" for place in range(len(head))]
    written = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *written])


def plain(value: float | int | None, decimals: int = 3) -> str:
    """A number without an interval."""
    return MISSING if value is None else f"{value:.{decimals}f}".replace("-", "−")


def setting(value: Any) -> str:
    """A setting as a reader writes it: 2 for 2.0, a list as JSON."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

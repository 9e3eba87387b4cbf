"""What the HTML pages are made of: a document that needs nothing outside itself, and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any


def document(title: str, body: str) -> str:
    """A whole page around a body, with the style sheet in it."""
    style = files("errata.reports").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>{style}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), raw: bool = False) -> str:
    """A table; cells are text unless `raw`, columns in `numbers` stand to the right."""

    def cell(tag: str, place: int, text: str) -> str:
        side = ' class="n"' if place in numbers else ""
        return f"<{tag}{side}>{text if raw else escape(text)}</{tag}>"

    top = "".join(cell("th", place, name) for place, name in enumerate(head)) if any(head) else ""
    body = "".join(f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    head_row = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f'<div class="wide"><table>{head_row}<tbody>{body}</tbody></table></div>'


def plain(value: Any) -> str:
    """A setting or measured value as a reader writes it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)

"""What the HTML pages are made of: a document that needs nothing outside itself, and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

# What a browser is told: the page may load nothing and run nothing, whatever stands in it.
NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'"
# A table of at most so many rows is not broken between two printed pages.
SHORT = 20


def document(title: str, body: str) -> str:
    """A whole page around a body, with the style sheet in it."""
    style = files("errata.reports").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_LOADED}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        f"<style>{style}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), raw: bool = False) -> str:
    """A table; cells are text unless `raw`, columns in `numbers` stand to the right."""

    def cell(tag: str, place: int, text: str) -> str:
        side = ' class="n"' if place in numbers else ""
        return f"<{tag}{side}>{text if raw else escape(text)}</{tag}>"

    rows = list(rows)
    top = "".join(cell("th", place, name) for place, name in enumerate(head)) if any(head) else ""
    body = "".join(f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    head_row = f"<thead><tr>{top}</tr></thead>" if top else ""
    short = " short" if len(rows) <= SHORT else ""
    return f'<div class="wide{short}"><table>{head_row}<tbody>{body}</tbody></table></div>'


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values as a table without head."""
    rows = [[name, plain(value)] for name, value in values.items()]
    return f'<div class="pairs">{table(("", ""), rows)}</div>'


def numbered(sections: Iterable[tuple[str, str]]) -> str:
    """Sections with their titles, counted from 1; titles are plain text."""
    return "".join(
        f'<section><h2><span class="number">{number}</span>{escape(title)}</h2>{text}</section>'
        for number, (title, text) in enumerate(sections, start=1)
    )


def footer(made: str) -> str:
    """The last line of a page on corrections."""
    return f"<footer>Made by Errata on {escape(made)}. This page holds its figures and loads nothing.</footer>"


def plain(value: Any) -> str:
    """A setting or measured value as a reader writes it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)

"""What commands print: results on standard output, everything else on standard error, colours only in a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from rich.progress import Progress


def paper(silent: bool = False) -> Console:
    """The console for results, on standard output: without a word if `silent`; NO_COLOR takes colours away."""
    return Console(highlight=False, quiet=silent)


def margin() -> Console:
    """The console for notes, progress and errors, on standard error."""
    return Console(stderr=True, highlight=False)


def bar(what: str) -> Progress:
    """A bar on standard error, drawn in a terminal only: how far, the time left, and the field `now` of its task."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = margin()
    how_far = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    now = TextColumn("{task.fields[now]}")
    return Progress(*how_far, now, console=console, transient=True, disable=not console.is_terminal)


def print_json(value: Any) -> None:
    """Print one JSON value on standard output; NaN and infinity are errors, not output."""
    sys.stdout.write(json_text(value))


def json_text(value: Any) -> str:
    """One JSON value as text; NaN and infinity are errors."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def print_targets(page: Console, targets: Sequence[Mapping[str, Any]]) -> None:
    """Print a result's targets, each with a mark; a dash where nothing was measured."""
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "–"}
    for row in targets:
        value = "not measured" if row["value"] is None else f"{row['value']:.3g}"
        note = f"; {row['note']}" if row.get("note") else ""
        text = escape(f"{row['name']}: {value} (wanted {row['wanted']}{note})")
        page.print(f"{marks[row['reached']]} {text}", soft_wrap=True)


def fail(message: str, as_json: bool) -> None:
    """Report an error: a sentence on standard error, or a JSON object on standard output."""
    if as_json:
        print_json({"error": message})
    else:
        margin().print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def confirmed(question: str) -> bool:
    """Ask yes or no on standard error; no terminal or no answer is a no."""
    if not sys.stdin.isatty():
        return False
    margin().print(f"{escape(question)} [dim]\\[y/N][/] ", end="")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}

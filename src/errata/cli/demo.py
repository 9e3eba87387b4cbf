"""`errata demo`: the main job on one fact, from the model's answer to the weights that are identical again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError


def demo(
    model: Annotated[str, typer.Option(metavar="MODEL", help="pocket-gelu or pocket-swiglu.")] = "pocket-gelu",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where report.html and the edit go.")] = Path("errata-demo"),
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Find a fact in an embedded model, correct it, show what changed and what did not, and take it back.

    Example: errata demo --model pocket-swiglu
    """
    if model not in ("pocket-gelu", "pocket-swiglu"):
        raise InputError(f"The demo speaks of a fact of the embedded models, not of {model!r}: take pocket-gelu.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a directory for the report.")
    page = output.paper(silent=as_json)
    page.print(
        "[bold]errata demo[/] [dim]· one fact, from the model's answer to the weights that are identical again[/]"
    )
    from errata.cli.tour import tour

    record, files = tour(model, out, page, dtype, device)
    if as_json:
        output.print_json({**record.to_dict(), **{name: str(path) for name, path in files.items()}})

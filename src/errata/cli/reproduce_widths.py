"""`errata reproduce o-edit-widths`: results of `errata reproduce o-edit` of models of different width, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from errata.cli import measuring, options, output
from errata.errors import InputError
from errata.strict import json_in

STEM = "o-edit-widths"


def widths(
    files: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="What errata reproduce o-edit wrote: o-edit-MODEL.json.")
    ],
    pages: Annotated[Path, typer.Option(metavar="DIR", help="Where the page and its figures go.")] = Path(),
    as_json: options.Json = False,
) -> None:
    """Put results of models of different width side by side: does a wider model hold more edits?

    Measures nothing: the numbers are those of the results.

    Example: errata reproduce o-edit-widths o-edit-gpt2.json o-edit-gpt2-medium.json --pages docs
    """
    from errata.reports.o_edit.widths import by_width, draw, page, shared

    results = by_width([_read(file) for file in files])
    pages.mkdir(parents=True, exist_ok=True)
    drawn = draw(results, pages, STEM)
    place = pages / f"{STEM}.md"
    measuring.write(place, page(results, drawn))
    if as_json:
        output.print_json({"page": str(place), "figures": drawn, "compared": shared(results)})
        return
    output.paper().print(f"The page is {place}", markup=False, soft_wrap=True)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json_in(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read as JSON ({error}): give a result of errata reproduce o-edit."
        ) from error
    if not isinstance(found, dict) or "sequences" not in found:
        raise InputError(f"{file} holds no sequences of edits: give a result of errata reproduce o-edit.")
    return found

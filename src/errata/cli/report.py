"""`errata report`: a ledger, or one edit of it, as a page to read, print and pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page to write; a file there is replaced.")],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The ledger's own model, unless another name for it is given.")
    ] = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    edit: Annotated[
        int | None, typer.Option(metavar="ID", help="One edit, applied or undone; by default all that are applied.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A JSONL file of facts whose paraphrases and neighbours are asked."),
    ] = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="Facts that are asked at most, drawn by seed 0.")] = 200,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Write what corrections changed and what they did not to one HTML page, which needs nothing outside itself.

    Answers before and after, the worse ones first; where the change of the weights stands; the ledger's health; where
    every number comes from. Nothing is written to the ledger.

    Example: errata report corrections.html --ledger corrections --edit 2
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"{out} is no file that can be written: give a file in a directory that exists.")
    from errata.cli.cases import read_cases
    from errata.cli.measuring import command_line
    from errata.cli.session import opened
    from errata.reports.correction.page import write

    given = [] if file is None else [case for _, case in read_cases(file)]
    console = output.margin()
    with opened(ledger, model, dtype, device) as (view, book), console.status("") as status:
        found = write(view, book, out, edit, given, most, command_line(), lambda step: status.update(f"{step} …"))
    if as_json:
        output.print_json({"report": str(out), **found.to_dict()})
        return
    page = output.paper()
    page.print(f"The report is in {out}.", markup=False, soft_wrap=True)
    if found.tested:
        asked = sum(len(one.comparison.changes) for one in found.tested)
        page.print(f"{len(found.worse)} of {asked} answers got worse.", style="red" if found.worse else "dim")
    for problem in found.checked.problems:
        page.print(f"✗ {problem}", style="red", markup=False, soft_wrap=True)

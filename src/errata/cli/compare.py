"""`errata compare`: two methods held against each other on the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError

Protocols = Annotated[
    list[str] | None, typer.Option("--protocol", metavar="NAME", help="A protocol, by default all; repeat it.")
]


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The results of an evaluation, JSON Lines.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Those to hold against them, of the same cases.")],
    protocol: Protocols = None,
    metrics: Annotated[str | None, typer.Option(metavar="NAME,NAME…", help="Metrics, by default all.")] = None,
    correction: Annotated[str, typer.Option(metavar="NAME", help="For many comparisons: holm, bh or none.")] = "holm",
    as_json: options.Json = False,
) -> None:
    """Say by how much two results differ on the same cases, with intervals and exact tests, and when n is too small.

    Example: errata compare rome.jsonl memit.jsonl --metrics efficacy,locality
    """
    from errata.evaluation.contrast import contrast
    from errata.evaluation.results import read

    wanted = None if metrics is None else _names(metrics)
    ours, theirs = read(a), read(b)
    found = contrast(ours, theirs, protocol or None, wanted, correction)
    if as_json:
        sides = {
            name: {"file": str(path), "model": side.header.model, "method": side.header.method}
            for name, path, side in (("a", a, ours), ("b", b, theirs))
        }
        output.print_json({**sides, **found.to_dict()})
        return
    from errata.reports.contrasts import contrast_table, sentences

    names = ours.header.method, theirs.header.method
    if names[0] == names[1]:
        names = ("A", "B") if a.stem == b.stem else (a.stem, b.stem)
    page = output.paper()
    page.print(contrast_table(found, *names))
    page.print()
    for line in sentences(found, *names):
        page.print(line, markup=False, soft_wrap=True)


def _names(text: str) -> list[str]:
    """The names of `efficacy,locality`; raises InputError where there is none."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise InputError(f"The metrics {text!r} name nothing: write for example efficacy,locality.")
    return found

"""`errata leaderboard`: methods × models × data × regimes from one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import measuring, options, output


def leaderboard(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file that says what is measured.")],
    out: measuring.Out = Path(),
    pages: measuring.Pages = None,
    work: measuring.Work = None,
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write every part's results here, for errata compare.")
    ] = None,
    workers: measuring.Workers = None,
    render: measuring.Render = False,
    as_json: options.Json = False,
) -> None:
    """Measure every method on every model, data set and regime that a file names, and write the table and its plots.

    A run that was stopped goes on with the same command; --render shows what is there so far. docs/leaderboard.md says
    what stands in the file.

    Example: errata leaderboard benchmarks/leaderboard.toml --out benchmarks/results --pages docs/results
    """
    from errata.reports.leaderboard.page import page
    from errata.reproduce.leaderboard import measure_all, read
    from errata.reproduce.leaderboard.run import write_results
    from errata.training.identify import cores

    plan = read(file)
    folder = work or out / f"{plan.name}.work"
    command = measuring.command_line()
    found = measure_all(plan, folder, command, workers=workers or cores(), measuring=not render, silent=as_json)
    measuring.require_no_less(out / f"{plan.name}.json", found)
    place = pages or out
    measuring.made(out, place)
    measuring.write(out / f"{plan.name}.json", output.json_text(found))
    measuring.write(place / f"{plan.name}.html", page(found))
    if results is not None:
        write_results(plan, folder, results)
    if as_json:
        output.print_json(found)
        return
    measuring.print_places(found, place / f"{plan.name}.html", out / f"{plan.name}.json")

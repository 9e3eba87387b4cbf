"""`errata grid`: every way to find a fact's neurons with every way to edit them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from errata.cli import measuring, options, output
from errata.errors import UNREADABLE, InputError
from errata.strict import json_in

STEM = "grid"


def grid(
    files: measuring.DataFiles = None,
    model: measuring.Model = "pocket-gelu",
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="counterfact or zsre, with its FILE; by default an embedded model's facts."),
    ] = None,
    facts: Annotated[int, typer.Option(metavar="N", help="Facts of a seed, each edited alone.")] = 100,
    seeds: measuring.Seeds = 3,
    localizers: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Localizers; by default all but causal_trace and fact_code.")
    ] = None,
    editors: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="Editors, such as fine or ensemble-paper; by default all but ensemble-robust."
        ),
    ] = None,
    views: Annotated[
        str, typer.Option(metavar="A,B", help="own: each localizer's own choice; matched: --count neurons of each.")
    ] = "own,matched",
    count: Annotated[int, typer.Option(metavar="N", help="Neurons of every localizer in the view matched.")] = 20,
    device: measuring.Device = None,
    out: measuring.Out = Path(),
    pages: measuring.Pages = None,
    work: measuring.Work = None,
    workers: measuring.Workers = None,
    render: measuring.Render = False,
    as_json: options.Json = False,
) -> None:
    """Measure localizers × neuron editors, each beside random neurons: does it matter which neurons are edited?

    A run that was stopped goes on with the same command; --render shows what is there so far.

    Example: errata grid --localizers knowledge_neurons,land --editors fine --facts 10 --seeds 1
    """
    from errata.reports.grid.findings import findings
    from errata.reproduce.grid import plan_of, reproduce
    from errata.reproduce.source import source
    from errata.training.identify import cores

    plan = plan_of(
        model,
        _names(localizers),
        _names(editors),
        views=tuple(_names(views) or ()),
        facts=facts,
        seeds=tuple(range(seeds)),
        count=count,
        device=device,
    )
    name = measuring.name_of(model, data)
    command = measuring.command_line()
    folder = work or out / f"{STEM}-{name}.work"
    found = source(model, data, files or ())
    result = reproduce(found, plan, folder, command, workers or cores(), measuring=not render, silent=as_json)
    measuring.require_no_less(out / f"{STEM}.json", result, name)
    page = _written(name, result, out, pages or out)
    if as_json:
        output.print_json(result)
        return
    paper = output.paper()
    for finding in findings(result):
        paper.print(f"{'−' if finding.negative else '+'} {finding.text}", markup=False, soft_wrap=True)
    measuring.print_places(result, page, out / f"{STEM}.json")


def _names(text: str | None) -> list[str] | None:
    """`a,b` as names."""
    return None if text is None else [name.strip() for name in text.split(",")]


def _written(name: str, result: dict[str, Any], out: Path, pages: Path) -> Path:
    """Write the file of all models with this one's result in it, and the page on all of them; the page's path."""
    from errata.reports.grid.figures import draw
    from errata.reports.grid.page import page

    measuring.made(out, pages)
    models = {**_held(out / f"{STEM}.json"), name: result}
    measuring.write(out / f"{STEM}.json", output.json_text({"protocol": "generation", "models": models}))
    drawn = {model: draw(one, pages, f"{STEM}-{model}") for model, one in models.items()}
    path = pages / f"{STEM}.md"
    measuring.write(path, page(models, {model: file for model, file in drawn.items() if file}))
    return path


def _held(path: Path) -> dict[str, Any]:
    """What the file holds of other models."""
    try:
        return dict(json_in(path)["models"]) if path.exists() else {}
    except UNREADABLE as error:
        raise InputError(f"The file {path} holds no grid ({error}): move it away, or mend it.") from error

"""`errata reproduce kne`: KNE beside fine-tuning, closed forms and random neurons, in two protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import measuring, options, output
from errata.errors import InputError


def kne(
    files: measuring.DataFiles = None,
    model: measuring.Model = "pocket-gelu",
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="knowedit, with one FILE of it; by default an embedded model's facts."),
    ] = None,
    facts: Annotated[int, typer.Option(metavar="N", help="Facts edited by every arm, for each seed.")] = 200,
    seeds: measuring.Seeds = 3,
    arms: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="kne-paper, kne-robust, random, ft_m-tuned, or editors; by default all."),
    ] = None,
    batches: Annotated[
        str | None,
        typer.Option(metavar="N,M,…", help="Facts edited together; by default 1, 10 and 100, as far as --facts goes."),
    ] = None,
    tuning: Annotated[int, typer.Option(metavar="N", help="Facts of the sweeps, 40 at most; 0 for no sweep.")] = 40,
    shares: Annotated[
        str | None, typer.Option(metavar="P,Q,…", help="Shares p of the sweep; by default 0.003 to 0.3.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(metavar="N,N…", help="Layers of the sweep; by default an embedded model's, else none.")
    ] = None,
    device: measuring.Device = None,
    out: measuring.Out = Path(),
    pages: measuring.Pages = None,
    work: measuring.Work = None,
    workers: measuring.Workers = None,
    render: measuring.Render = False,
    as_json: options.Json = False,
) -> None:
    """Edit with KNE's neuronal ensemble, and with what it must be compared with, in two protocols.

    A run that was stopped goes on with the same command; --render shows what is there so far.

    Example: errata reproduce kne --model pocket-gelu --arms kne-robust,random,ft_m --facts 20 --seeds 1 --tuning 0
    """
    from errata.reports.kne import figures
    from errata.reports.kne.page import page
    from errata.reproduce.kne import plan_of, reproduce, source
    from errata.reproduce.kne.plan import SHARES
    from errata.training.identify import cores

    found = source(model, data, files or ())
    embedded = "0-5" if data is None else None
    swept = layers or embedded
    plan = plan_of(
        model,
        None if arms is None else [name.strip() for name in arms.split(",")],
        facts=facts,
        batches=None if batches is None else [int(size) for size in _numbers(batches, "batches")],
        seeds=tuple(range(seeds)),
        tuning=tuning,
        shares=SHARES if shares is None else _numbers(shares, "shares"),
        layers=tuple(options.layer_numbers(swept)) if swept else (),
        device=device,
    )
    stem = f"kne-{measuring.name_of(model, found.title)}"
    command = measuring.command_line()
    folder = work or out / f"{stem}.work"
    result = reproduce(found, plan, folder, command, workers or cores(), measuring=not render, silent=as_json)
    place = pages or out
    measuring.write_page(result, stem, out, place, figures.draw, page)
    if as_json:
        output.print_json(result)
        return
    output.print_targets(output.paper(), result["targets"])
    measuring.print_places(result, place / f"{stem}.md", out / f"{stem}.json")


def _numbers(text: str, name: str) -> tuple[float, ...]:
    """`1,10` as numbers; raises InputError for anything else, and for a number of facts that is not whole."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"The {name} {text!r} are no numbers: give for example --{name} 1,10.") from error
    if name == "batches" and any(value != int(value) for value in found):
        raise InputError(f"The {name} {text!r} are not whole: give for example --{name} 1,10.")
    return found

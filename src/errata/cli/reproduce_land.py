"""`errata reproduce land`: LAND's tables and figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import measuring, options, output
from errata.errors import InputError

POCKET = "pocket-"


def land(
    model: measuring.Model = "pocket-gelu",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A ParaRel folder; by default an embedded model's own facts."),
    ] = None,
    facts: Annotated[int, typer.Option(metavar="N", help="Held-out facts measured for each seed.")] = 120,
    train_facts: Annotated[
        int | None, typer.Option(metavar="N", help="Facts trained on; by default nine tenths of all.")
    ] = None,
    seeds: measuring.Seeds = 3,
    threshold: Annotated[
        float | None, typer.Option(metavar="T", help="Share of the highest attribution; by default 0.3 or the model's.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Epochs of LAND's training.")] = None,
    counter_examples: Annotated[
        int | None, typer.Option(metavar="N", help="Counter-examples of a fact in LAND's training.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Change the detectors' settings one at a time as well, on the first seed.")
    ] = False,
    out: measuring.Out = Path(),
    pages: measuring.Pages = None,
    work: measuring.Work = None,
    workers: measuring.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Reproduce LAND: its tables and figure, with controls, our own detector beside it, and intervals over seeds.

    A run that was stopped goes on with the same command.

    Example: errata reproduce land --model pocket-gelu --facts 120 --seeds 3
    """
    from dataclasses import replace

    from errata.datasets import pararel
    from errata.reports.land import figures, tables
    from errata.reproduce.land import Plan, reproduce
    from errata.training.identify import cores
    from errata.training.recipe import THRESHOLDS, LandRecipe

    if data is None and not model.startswith(POCKET):
        raise InputError(f"{model} has no facts of its own: give --data a folder with ParaRel's (docs/datasets.md).")
    found = pararel.embedded(model.removeprefix(POCKET)) if data is None else pararel.read(data)
    usual = LandRecipe()
    recipe = replace(
        usual,
        threshold=THRESHOLDS.get(model, usual.threshold) if threshold is None else threshold,
        epochs=usual.epochs if epochs is None else epochs,
        counter_examples=usual.counter_examples if counter_examples is None else counter_examples,
    )
    plan = Plan(model=model, facts=facts, train_facts=train_facts, seeds=tuple(range(seeds)), land=recipe)
    stem = f"land-{Path(model).name}"
    command = measuring.command_line()
    result = reproduce(found, plan, work or out / f"{stem}.work", command, workers or cores(), sweep, silent=as_json)
    place = pages or out
    measuring.write_page(result, stem, out, place, figures.draw, tables.page)
    if as_json:
        output.print_json(result)
        return
    output.print_targets(output.paper(), result["targets"])
    measuring.print_places(result, place / f"{stem}.md", out / f"{stem}.json")

"""`errata reproduce land`: LAND's tables and figure."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError

POCKET = "pocket-"


def land(
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="pocket-gelu, pocket-swiglu, a folder or a hub id.")
    ] = "pocket-gelu",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A ParaRel folder; by default an embedded model's own facts."),
    ] = None,
    facts: Annotated[int, typer.Option(metavar="N", help="Held-out facts measured for each seed.")] = 120,
    train_facts: Annotated[
        int | None, typer.Option(metavar="N", help="Facts trained on; by default nine tenths of all.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Seeds 0 … N − 1.")] = 3,
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
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the JSON file goes.")] = Path(),
    pages: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the page and its figures go; by default with the JSON.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where unfinished work stays; by default land-MODEL.work in --out."),
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes; by default one a core.")] = None,
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
    command = shlex.join(["errata", *sys.argv[1:]])
    result = reproduce(found, plan, work or out / f"{stem}.work", command, workers or cores(), sweep, silent=as_json)
    place = pages or out
    for folder in (out, place):
        folder.mkdir(parents=True, exist_ok=True)
    text = output.json_text(result)
    (out / f"{stem}.json").write_text(text, encoding="utf-8")
    drawn = figures.draw(result, place, stem)
    (place / f"{stem}.md").write_text(tables.page(result, drawn), encoding="utf-8")
    if as_json:
        output.print_json(result)
        return
    page = output.paper()
    output.print_targets(page, result["targets"])
    page.print(f"\nThe tables are in {place / stem}.md, the numbers in {out / stem}.json", markup=False, soft_wrap=True)

"""`errata train land` and `errata train fact_code`: a detector for a model, from the neurons of many facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import options, output
from errata.errors import InputError

if TYPE_CHECKING:
    from errata.datasets.pararel import PhrasedFact
    from errata.detectors.trained import Trained

POCKET = "pocket-"

Out = Annotated[Path, typer.Option(metavar="FILE", help="Where the detector goes.")]
Data = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A ParaRel folder; by default an embedded model's own facts.")
]
Facts = Annotated[
    int | None, typer.Option(metavar="N", min=10, help="Train on N facts of the first part; by default on all.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the split, the choice of facts, and the training.")]
Work = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where a stopped run is gone on with; by default FILE.work.")
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Processes that identify neurons; by default one a core.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over FILE if it exists.")]


def group() -> typer.Typer:
    """The commands `errata train …`."""
    app = typer.Typer(help="Train detectors for the localizers that need one.", no_args_is_help=True)
    app.callback()(_start)
    app.command("land")(land)
    app.command("fact_code")(fact_code)
    return app


def _start() -> None:
    """Train detectors for the localizers that need one."""


def land(
    model: options.Model,
    out: Out,
    data: Data = None,
    facts: Facts = None,
    seed: Seed = 0,
    work: Work = None,
    settings: options.Set = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Train LAND: from the neurons of one phrasing to those the fact's phrasings share.

    Example: errata train land pocket-gelu --out land.safetensors --facts 500
    """
    _train("land", model, out, data, facts, seed, work, settings or [], workers, overwrite, as_json)


def fact_code(
    model: options.Model,
    out: Out,
    data: Data = None,
    facts: Facts = None,
    seed: Seed = 0,
    work: Work = None,
    settings: options.Set = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Train the fact code: to what phrasings of a fact share and the relation's other facts do not.

    Example: errata train fact_code pocket-gelu --out code.safetensors --facts 500
    """
    _train("fact_code", model, out, data, facts, seed, work, settings or [], workers, overwrite, as_json)


def _train(
    kind: str,
    model: str,
    out: Path,
    data: Path | None,
    count: int | None,
    seed: int,
    work: Path | None,
    settings: list[str],
    workers: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    import time
    from dataclasses import replace

    from errata.cli.settings import make_recipe
    from errata.desk.opening import open_view
    from errata.methods import localizer, settings_of
    from errata.training.identify import cores, identify
    from errata.training.recipe import THRESHOLDS
    from errata.training.train import train

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists: give another FILE, or --overwrite.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"There is no directory {out.parent} for {out.name}: make it first.")
    usual = {"threshold": THRESHOLDS[model]} if kind == "land" and model in THRESHOLDS else {}
    recipe = make_recipe(kind, settings, **usual)
    facts = _facts(model, data, count, seed)
    work = work or out.with_name(f"{out.name}.work")
    view, method = open_view(model), localizer("knowledge_neurons")
    asked = [fact for phrased in facts for fact in phrased.facts]
    try:
        found = identify(view.name, asked, method, work / "neurons", workers or cores(), as_json)
        began = time.monotonic()
        trained = train(view, facts, found.strengths, recipe, seed, work / f"{kind}.checkpoint", as_json)
    except KeyboardInterrupt:
        if not as_json:
            note = f"What is done stays in {work}; the same command goes on with the rest."
            output.margin().print(note, markup=False, soft_wrap=True)
        raise
    source = {"data": model if data is None else data.resolve().name, "localizer": settings_of(method)}
    trained = replace(trained, provenance={**trained.provenance, **source})
    trained.save(out)
    seconds = {"identification": found.seconds, "training": round(time.monotonic() - began, 3)}
    _report(trained, model, out, work, seconds, as_json)


def _facts(model: str, folder: Path | None, count: int | None, seed: int) -> list[PhrasedFact]:
    """The facts of the first part of the split, or `count` of them, drawn by the seed and in order."""
    import random

    from errata.datasets import pararel

    if folder is not None:
        data = pararel.read(folder)
    elif model.startswith(POCKET):
        data = pararel.embedded(model.removeprefix(POCKET))
    else:
        raise InputError(f"Errata has no facts that {model} knows: give a ParaRel folder with --data DIR.")
    facts = data.split(seed).train
    if count is None:
        return list(facts)
    if count > len(facts):
        raise InputError(f"There are {len(facts):,} facts to train on, not {count:,}: ask for fewer.")
    return [facts[at] for at in sorted(random.Random(seed).sample(range(len(facts)), count))]


def _report(trained: Trained, model: str, out: Path, work: Path, seconds: dict[str, float], as_json: bool) -> None:
    losses: list[float] = trained.provenance["losses"]
    row: dict[str, Any] = {
        "kind": trained.kind,
        "model": model,
        "facts": trained.provenance["facts"],
        "phrasings": trained.provenance["phrasings"],
        "parameters": trained.weights.count,
        "losses": {"first": losses[0], "last": losses[-1]},
        "threshold": trained.threshold,
        "answer": dict(trained.answer),
        "seconds": seconds,
        "file": str(out),
        "work": str(work),
    }
    if as_json:
        output.print_json(row)
        return
    layers, d_ff, rank = trained.weights.shape
    page = output.paper()
    page.print(
        f"{trained.kind} for {model}, trained on {row['facts']:,} facts in {row['phrasings']} phrasings", markup=False
    )
    page.print(f"{row['parameters']:,} parameters: {layers} layers × {d_ff:,} neurons, rank {rank}")
    page.print(f"loss {losses[0]:.4g} at first, {losses[-1]:.4g} at last")
    page.print(f"the answer is {_rule(trained)}")
    page.print(
        f"{seconds['identification']:.1f} s of identification, {seconds['training']:.1f} s of training", style="dim"
    )
    page.print(f"The detector is in {out}; locate takes it with", markup=False, soft_wrap=True)
    page.print(f"    --method {trained.kind} --set detector={out}", style="cyan", markup=False, soft_wrap=True)


def _rule(trained: Trained) -> str:
    if "size" in trained.answer:
        return f"the {trained.answer['size']} neurons with the highest output"
    return f"the neurons with an output of at least {trained.answer['threshold']:.4g}"

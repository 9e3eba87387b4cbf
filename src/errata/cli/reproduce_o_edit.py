"""`errata reproduce o-edit`: sequences of edits, with the reconstruction of O-Edit beside other editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from errata.cli import measuring, options, output
from errata.errors import UNREADABLE, InputError
from errata.strict import json_in

EDITING = "editing.json"


def o_edit(
    files: measuring.DataFiles = None,
    model: measuring.Model = "pocket-gelu",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="counterfact or zsre, with its FILE, or pocket-gelu; by default an embedded model's facts.",
        ),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Held-out text for the perplexity; without it there is none.")
    ] = None,
    edits: Annotated[int, typer.Option(metavar="N", help="Edits of a sequence.")] = 1000,
    seeds: measuring.Seeds = 3,
    arms: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Editors; EDITOR-BASE for one on another, EDITOR:KEY=VALUE with a setting; by default all ten.",
        ),
    ] = None,
    batches: Annotated[str, typer.Option(metavar="N,M,…", help="Edits made together in a step.")] = "1,50",
    single: Annotated[int, typer.Option(metavar="N", help="Facts edited each alone; 0 for none.")] = 200,
    ablation: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Edits with O-Edit's switches changed and without covariance; by default 200, 0 for none."
        ),
    ] = None,
    device: measuring.Device = None,
    out: measuring.Out = Path(),
    pages: measuring.Pages = None,
    work: measuring.Work = None,
    workers: measuring.Workers = None,
    render: measuring.Render = False,
    as_json: options.Json = False,
) -> None:
    """Edit in sequences: O-Edit, reconstructed from its paper, beside ROME, MEMIT, AlphaEdit and others.

    A run that was stopped goes on with the same command; --render shows what is there so far.

    Example: errata reproduce o-edit --model pocket-gelu --arms rome,o_edit_plus --edits 100 --seeds 1
    """
    from errata.reports.o_edit import figures
    from errata.reports.o_edit.page import page
    from errata.reproduce.o_edit import ARMS, arms_of, plan_of, reproduce
    from errata.reproduce.source import source
    from errata.training.identify import cores

    found = source(model, data, files or (), text)
    chosen = ARMS if arms is None else tuple(name.strip() for name in arms.split(","))
    plan = plan_of(
        model,
        arms_of(chosen),
        edits=edits,
        batches=_numbers(batches),
        seeds=tuple(range(seeds)),
        single=single,
        ablation=min(200, edits) if ablation is None else ablation,
        device=device,
    )
    name = measuring.name_of(model, data)
    stem = f"o-edit-{name}"
    command = measuring.command_line()
    folder = work or out / f"{stem}.work"
    result = reproduce(found, plan, folder, command, workers or cores(), measuring=not render, silent=as_json)
    place = pages or out
    measuring.write_page(result, stem, out, place, figures.draw, page)
    if result["single"]["arms"]:
        editing = _joined(out / EDITING, name, result)
        measuring.write(out / EDITING, output.json_text(editing))
    if as_json:
        output.print_json(result)
        return
    output.print_targets(output.paper(), [*result["single"]["targets"], *result["targets"]])
    measuring.print_places(result, place / f"{stem}.md", out / f"{stem}.json")


def _numbers(text: str) -> tuple[int, ...]:
    """`1,50` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"The batches {text!r} are no whole numbers: give for example --batches 1,50.") from error


def _joined(path: Path, name: str, result: dict[str, Any]) -> dict[str, Any]:
    """The file of single edits with this model's: what it held of other models stays."""
    try:
        held = dict(json_in(path).get("models", {})) if path.exists() else {}
    except UNREADABLE as error:
        raise InputError(f"The file {path} holds no models ({error}): move it away, or mend it.") from error
    kept = ("command", "model", "weights", "data", "versions")
    own = {**{key: result[key] for key in kept}, "seed": result["seeds"][0], **result["single"]}
    return {"protocol": "generation", "models": {**held, name: own}}

"""`errata bulk locate`: the neurons of every prompt of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from errata.cli import options, output

if TYPE_CHECKING:
    from errata.bulk import Summary

SHOWN = 5


def group() -> typer.Typer:
    """The commands `errata bulk …`."""
    app = typer.Typer(help="Work on whole files of prompts, in shards that are never done twice.", no_args_is_help=True)
    app.callback()(_start)
    app.command("locate")(locate)
    return app


def _start() -> None:
    """Work on whole files of prompts, in shards that are never done twice."""


def locate(
    model: options.Model,
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="PROMPTS", help="JSONL or Parquet: prompt and, if wanted, id, subject, answer, relation."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the run's directory goes; its name is the job's key.")
    ],
    method: options.Localizer = "knowledge_neurons",
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="gauss-legendre or riemann-right.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="M", help="Path points a layer.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(metavar="GAP", help="Add points where a gap is above this share of the largest change."),
    ] = None,
    settings: options.Set = None,
    keep_above: Annotated[
        float | None,
        typer.Option(metavar="F", help="Write scores from this share of a prompt's highest; by default 0.1."),
    ] = None,
    top: Annotated[int | None, typer.Option(metavar="K", help="Write a prompt's K highest scores instead.")] = None,
    shard_size: Annotated[int, typer.Option(metavar="N", help="Prompts a file.")] = 128,
    executor: Annotated[str, typer.Option(metavar="NAME", help="local, torchrun (Slurm too) or ray.")] = "local",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; by default one a core, or one on a GPU.")
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", help="CPU threads a worker; results depend on them.")] = 1,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Score every neuron for every prompt of a file; a run that was stopped goes on with the same command.

    Example: errata bulk locate pocket-gelu prompts.jsonl --out neurons --keep-above 0.2
    """
    from errata import bulk
    from errata.cli.settings import make_localizer

    localizer = make_localizer(method, settings or [], rule=rule, steps=steps, tolerance=tolerance)
    keep = bulk.Keep(keep_above, top)
    where = bulk.executor(executor, workers)
    try:
        summary = bulk.locate(
            model,
            prompts,
            out,
            localizer,
            keep=keep,
            shard_size=shard_size,
            threads=threads,
            dtype=dtype,
            device=device,
            executor=where,
            silent=as_json,
        )
    except KeyboardInterrupt:
        if where.speaks and not as_json:
            note = f"The shards that are done stay in {out}; the same command goes on with the rest."
            output.margin().print(note, markup=False, soft_wrap=True)
        raise
    if where.speaks:
        _report(summary, as_json)
    # While other processes are at work, an exit code would have torchrun stop them.
    if summary.failed and not summary.missing:
        raise typer.Exit(1)


def _report(summary: Summary, as_json: bool) -> None:
    from dataclasses import asdict

    from errata.bulk import read

    if as_json:
        output.print_json({**asdict(summary), "directory": str(summary.directory)})
        return
    page = output.paper()
    page.print(
        f"{summary.located:,} of {summary.prompts:,} prompts located in {summary.shards - summary.missing} of "
        f"{summary.shards} shards, {summary.computed} of them now, in {summary.seconds:.1f} s"
    )
    if summary.missing:
        page.print(f"Other processes have {summary.missing} of the shards still to write.", style="dim")
    if summary.failed:
        page.print(f"{summary.failed:,} prompts failed; the column error says why:", style="red")
        for (name, error), _ in zip(read(summary.directory).failures(), range(SHOWN), strict=False):
            page.print(f"✗ {name}: {error}", style="red", markup=False, soft_wrap=True)
    page.print(f"The results are in {summary.directory}", markup=False, soft_wrap=True)

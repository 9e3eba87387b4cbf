"""`errata stats`: measure the covariance of layers' keys once, for every editor that needs it."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import options, output
from errata.errors import InputError

if TYPE_CHECKING:
    from errata.associative.covariance import Covariance, CovarianceSettings
    from errata.model.view import ModelView

MUCH = 1 << 30  # bytes that are taken without asking


def stats(
    model: options.Model,
    layers: options.Layers = None,
    tokens: Annotated[int | None, typer.Option(metavar="N", help="Tokens of text at most.")] = None,
    tolerance: Annotated[float | None, typer.Option(metavar="E", help="Stop a layer at this error.")] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A text file in UTF-8; by default the model samples.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the sampled text.")] = 0,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Measure the covariance of layers' keys until it is good enough, and keep it for the editors that use it.

    Example: errata stats pocket-gelu --layers 1,2
    """
    from errata.associative.covariance import CovarianceSettings, cache_path, memory_needed
    from errata.desk.opening import open_view

    given = {"tokens": tokens, "tolerance": tolerance, "text": None if text is None else str(text)}
    settings = CovarianceSettings(seed=seed, **{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
    named = options.layer_numbers(layers) if layers else []
    view = open_view(model, dtype, device)
    chosen = named or list(range(view.n_layers))
    memory = memory_needed(view, chosen)
    if not named and memory > MUCH:
        raise InputError(f"All {view.n_layers} layers take {_size(memory)} of memory: name some with --layers.")
    paths = {at: cache_path(view, at, settings) for at in chosen}
    known = {at for at, path in paths.items() if path.is_file()}
    if len(known) < len(chosen) and not as_json:
        output.margin().print(f"Measuring takes {_size(memory)} of memory beside the model.")
    found = _measured(view, chosen, settings)
    rows = [_row(at, each, paths[at], at in known) for at, each in found.items()]
    if as_json:
        output.print_json({"model": view.name, "memory_bytes": memory, "layers": rows})
        return
    _show(rows, settings)


def _measured(view: ModelView, layers: list[int], settings: CovarianceSettings) -> dict[int, Covariance]:
    from errata.associative.covariance import covariances

    with output.bar("measuring") as progress:
        task = progress.add_task("", total=settings.tokens, now="")

        def report(done: int, error: float) -> None:
            progress.update(task, completed=min(done, settings.tokens), now=f"error {_share(error)}")

        return covariances(view, layers, settings, report)


def _row(layer: int, found: Covariance, path: Path, known: bool) -> dict[str, Any]:
    return {
        "layer": layer,
        "tokens": found.tokens,
        "error": found.error if isfinite(found.error) else None,
        "converged": found.converged,
        "seconds": found.seconds,
        "source": found.source,
        "cached": known,
        "file": str(path),
    }


def _show(rows: list[dict[str, Any]], settings: CovarianceSettings) -> None:
    from rich.table import Table

    table = Table("layer", "tokens", "error", "converged", "seconds", "file", box=None, pad_edge=False)
    for row in rows:
        error, seconds = row["error"], "kept" if row["cached"] else f"{row['seconds']:.1f}"
        done = "[green]yes[/]" if row["converged"] else "[yellow]no[/]"
        shown = _share(float("inf") if error is None else error)
        table.add_row(str(row["layer"]), f"{row['tokens']:,}", shown, done, seconds, Path(row["file"]).name)
    page = output.paper()
    page.print(table)
    page.print(f"\nThe files are in {Path(rows[0]['file']).parent}.", markup=False, soft_wrap=True)
    short = [str(row["layer"]) for row in rows if not row["converged"]]
    if short:
        output.margin().print(
            f"Above the tolerance of {settings.tolerance:.1%}: layers {', '.join(short)}. More --tokens help.",
            style="yellow",
            soft_wrap=True,
        )


def _share(error: float) -> str:
    return f"{error:.1%}" if isfinite(error) else "unknown"


def _size(memory: int) -> str:
    return f"{memory / 1e9:.1f} GB" if memory >= 1e9 else f"{memory / 1e6:.0f} MB"

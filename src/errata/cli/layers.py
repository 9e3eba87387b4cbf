"""`errata layers`: which layer a method edits best in this model, tried out on a few facts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import options, output
from errata.errors import EditError, InputError

if TYPE_CHECKING:
    from errata.evaluation.layers import LayerScore, Settings
    from errata.facts import Case
    from errata.methods import Editor
    from errata.model.view import ModelView

TUNING_SEED = 1  # the draw of pocket facts that settings are chosen on: no result uses them
COLUMNS = ("efficacy", "paraphrase", "neighbours", "mean")


def layers(
    model: options.Model,
    method: options.Editor = "rome",
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="A JSONL file with one fact a line.")] = None,
    facts: Annotated[int, typer.Option(metavar="N", min=1, help="Facts of a pocket model, without --file.")] = 10,
    layers: options.Layers = None,
    settings: options.Set = None,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Edit a few facts at every candidate layer, each alone, and say which layer to use; nothing is written.

    Candidates are all layers of a model of up to 12, of a larger one every second in the first two thirds.

    Example: errata layers pocket-gelu --facts 5 --layers 0,1,2
    """
    from errata.cli.settings import make_editor
    from errata.desk.opening import open_view
    from errata.evaluation.layers import candidates, recommended

    editor = make_editor(method, settings or [])
    cases = _cases(model, file, facts)
    view = open_view(model, dtype, device)
    tried = candidates(editor, view.n_layers, options.layer_numbers(layers) if layers else None)
    found = _tried(view, cases, editor, tried)
    best = recommended(found)
    if best is None:
        raise EditError(f"No candidate could be edited; the first one: {found[0].failed}")
    if as_json:
        rows = [{**_plain(each), **each.means, "seconds": each.seconds, "error": each.failed} for each in found]
        recommendation = _plain(best)["settings"]
        output.print_json(
            {
                "model": view.name,
                "method": method,
                "facts": len(cases),
                "candidates": rows,
                "recommended": recommendation,
            }
        )
        return
    _show(found, best, method, len(cases))


def _cases(model: str, file: Path | None, count: int) -> list[Case]:
    if file is not None:
        from errata.cli.cases import read_cases
        from errata.datasets.pocket_probes import complete

        return [complete(case, model) for _, case in read_cases(file)]
    if not model.startswith("pocket-"):
        raise InputError(f"The facts of {model} are not known: give some with --file FILE, one JSON object a line.")
    from errata.datasets import pocket

    return pocket.cases(model.removeprefix("pocket-"), count, TUNING_SEED)


def _tried(view: ModelView, cases: Sequence[Case], editor: Editor, tried: Sequence[Settings]) -> list[LayerScore]:
    from errata.evaluation.layers import compare_layers

    with output.bar("editing") as progress:
        task = progress.add_task("", total=len(tried) * len(cases), now="")
        return list(compare_layers(view, cases, editor, tried, lambda: progress.advance(task)))


def _plain(found: LayerScore) -> dict[str, Any]:
    """The candidate's settings as JSON knows them."""
    return {
        "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in found.settings.items()}
    }


def _show(found: Sequence[LayerScore], best: LayerScore, method: str, facts: int) -> None:
    from rich.table import Table

    table = Table("layer", *COLUMNS, "seconds", "", box=None, pad_edge=False)
    for each in found:
        means = each.means
        cells = [f"{means[name]:.0%}" if name in means else "–" for name in COLUMNS]
        mark = "[green]← use this[/]" if each is best else ("failed" if each.failed else "")
        table.add_row(_name(each), *cells, f"{each.seconds:.1f}", mark)
    page = output.paper()
    page.print(f"{method}, {facts} facts, each edited alone; free generation", style="bold", markup=False)
    page.print(table)
    ((name, value),) = _plain(best)["settings"].items()
    text = str(value).replace(" ", "")
    page.print(f"\nUse it with --set {name}={text}", markup=False)


def _name(found: LayerScore) -> str:
    ((_, value),) = found.settings.items()
    if isinstance(value, int):
        return str(value)
    return str(value[0]) if len(value) == 1 else f"{value[0]}–{value[-1]}"

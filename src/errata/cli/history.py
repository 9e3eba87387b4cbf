"""`errata log`, `errata show` and `errata diff`: what a ledger holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from errata.cli import options, output
from errata.errors import InputError


def log(
    events: Annotated[bool, typer.Option("--events", help="List what happened, rather than the edits.")] = False,
    ledger: options.LedgerDir = options.CORRECTIONS,
    as_json: options.Json = False,
) -> None:
    """List the edits of a ledger, applied or undone; no model is loaded.

    Example: errata log --ledger corrections
    """
    from errata.cli.session import pages

    found = pages(ledger)
    if as_json:
        rows = [_entry_row(entry) for entry in found.entries]
        output.print_json({**asdict(found.meta), "entries": rows, "events": [asdict(event) for event in found.events]})
        return
    page = output.paper()
    meta = found.meta
    since = f"{meta.model} in {meta.dtype} · since {_time(meta.created)}"
    page.print(f"{ledger} · {since}", style="bold", markup=False, soft_wrap=True)
    if not found.entries:
        page.print("It is empty: errata edit writes to it.")
        return
    from rich.table import Table
    from rich.text import Text

    if events:
        table = Table("time", "what", "edit", "by", box=None, pad_edge=False)
        for event in found.events:
            table.add_row(_time(event.at), event.kind, str(event.edit), str(event.by or ""))
    else:
        table = Table("id", "state", "fact", "target", "method", "layers", "norm", "time", box=None, pad_edge=False)
        for entry in found.entries:
            state = "[green]applied[/]" if entry.applied else "[dim]undone[/]"
            asked, target = _about(entry.facts)
            layers = " ".join(map(str, entry.layers))
            cells = Text(asked), Text(target), entry.method, layers, f"{entry.norm:.2f}", _time(entry.at)
            table.add_row(str(entry.id), state, *cells)
    page.print(table)


def show(
    edit: Annotated[str, typer.Argument(metavar="ID", help="The number of an edit; errata log lists them.")],
    ledger: options.LedgerDir = options.CORRECTIONS,
    as_json: options.Json = False,
) -> None:
    """Show one edit: its facts, its deltas, how it was computed; no model is loaded.

    Example: errata show 3 --ledger corrections
    """
    from errata.cli.session import edit_number
    from errata.desk.opening import stored
    from errata.evaluation.kept import PROBES, measured_alone

    number = edit_number(edit)
    with stored(ledger) as store:
        entry = store.entry(number)
        found = store.load(entry)
        happened = [asdict(event) for event in store.events() if number in (event.edit, event.by)]
    origin = {"settings": found.settings, "measured": measured_alone(found), "versions": found.versions}
    deltas: list[dict[str, Any]] = [
        {"layer": d.layer, "module": d.module, "rank": d.rank, "shape": list(d.shape), "norm": d.norm(), "base": d.base}
        for d in found.deltas
    ]
    if as_json:
        computed = {name: dict(values) for name, values in origin.items()}
        probes = {PROBES: found.measured.get(PROBES, [])}
        output.print_json({**_entry_row(entry), **computed, **probes, "deltas": deltas, "events": happened})
        return
    page = output.paper()
    state = "[green]applied[/]" if entry.applied else "[dim]undone[/]"
    page.print(f"[bold]edit {number}[/] · {state} · {entry.method} · {_time(entry.at)}")
    for fact in entry.facts:
        was = f" (was {fact.answer})" if fact.answer else ""
        page.print(f"  {fact.text} {fact.target}{was}", markup=False, soft_wrap=True)
    for row in deltas:
        shape = f"{row['shape'][0]} × {row['shape'][1]}"
        page.print(f"  layer {row['layer']} · {row['module']} · {shape}, rank {row['rank']}, norm {row['norm']:.3f}")
    for title, values in origin.items():
        pairs = ", ".join(f"{key} {value}" for key, value in values.items())
        page.print(f"  {title}: {pairs}", style="dim", markup=False)
    for event in happened:
        page.print(f"  {_time(event['at'])} {event['kind']} {event['edit']}", style="dim")


def diff(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL] [A] [B]", help="Nothing: all edits together; A: that edit alone; A B: both."),
    ] = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Say what the weights' changes are, layer by layer; with two edits, how far they point the same way.

    Example: errata diff 2 5 --ledger corrections
    """
    from errata.cli.session import model_and_numbers, opened

    model, numbers = model_and_numbers(words or [])
    if len(numbers) > 2:
        raise InputError(f"diff compares two edits at most, found {len(numbers)} numbers.")
    with opened(ledger, model, dtype, device) as (_, book):
        rows = [asdict(row) for row in (book.diff(*numbers) if len(numbers) < 2 else book.diff(numbers[0], numbers[1]))]
    if as_json:
        output.print_json({"ledger": str(ledger), "edits": numbers, "layers": rows})
        return
    page = output.paper()
    if not rows:
        page.print("No layer differs." if len(numbers) < 2 else "The two edits share no layer.")
        return
    from rich.table import Table

    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    page.print(table)


def _entry_row(entry: Any) -> dict[str, Any]:
    row = asdict(entry)
    return {**row, "facts": [dict(fact) for fact in row["facts"]]}


def _about(facts: Any) -> tuple[str, str]:
    if not facts:
        return "no fact of its own", ""
    first, more = facts[0], len(facts) - 1
    return first.text + (f" (and {more} more)" if more else ""), first.target or ""


def _time(stamp: str) -> str:
    return stamp[:16].replace("T", " ")

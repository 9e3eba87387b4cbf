"""`errata import`: an adapter, or another ledger, into a ledger."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError


def take_in(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The directory of a LoRA adapter or of a ledger.")],
    model: options.OptionalModel = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    supersede: Annotated[bool, typer.Option("--supersede", help="Undo applied edits of the same facts.")] = False,
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Take it for other weights than it was made for, of the same shapes.")
    ] = False,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Take an adapter, or the applied edits of another ledger, into a ledger, where they can be undone bit for bit.

    Example: errata import adapter pocket-gelu --ledger corrections
    """
    from errata.desk.opening import has_ledger, open_view, taken_back, view_for
    from errata.export.incoming import source_of, take
    from errata.ledger import Ledger
    from errata.ledger.records import listed

    found = source_of(source)
    known = has_ledger(ledger)
    if not known and model is None and found.model is None:
        raise InputError(f"Neither {source} nor a ledger at {ledger} names a model: give it behind the source.")
    with nullcontext() if known else taken_back(ledger):
        if known:
            view = view_for(ledger, model, dtype, device)
        else:
            view = open_view(model or found.model or "", dtype or found.dtype, device)
        with Ledger.open(ledger, view) as book:
            numbers = take(found, view, book, supersede, rebase)
            weights = view.weights_sha256()
    if as_json:
        output.print_json(
            {"source": str(source), "kind": found.kind, "ids": list(numbers), "ledger": str(ledger)}
            | {"weights_sha256": weights}
        )
        return
    page = output.paper()
    what = f"edit{'s' * (len(numbers) > 1)} {listed(numbers)}"
    page.print(f"The {found.kind} {source} is in {ledger} as {what}.", markup=False, soft_wrap=True)
    page.print(f"weights sha256 {weights}", style="dim", soft_wrap=True)

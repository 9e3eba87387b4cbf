"""`errata undo` and `errata redo`: take an edit out of the weights, and put it back."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from errata.cli import options, output
from errata.errors import InputError

Words = Annotated[list[str], typer.Argument(metavar="[MODEL] ID", help="The number of an edit; errata log lists them.")]


def undo(
    words: Words,
    ledger: options.LedgerDir = options.CORRECTIONS,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Take an edit out of the weights: bit for bit, as if it had never been applied.

    Example: errata undo 3 --ledger corrections
    """
    _change("undo", words, ledger, dtype, device, as_json)


def redo(
    words: Words,
    ledger: options.LedgerDir = options.CORRECTIONS,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Apply an undone edit again, at its old place in the order.

    Example: errata redo 3 --ledger corrections
    """
    _change("redo", words, ledger, dtype, device, as_json)


def _change(
    verb: Literal["undo", "redo"],
    words: list[str],
    ledger: options.LedgerDir,
    dtype: str | None,
    device: str,
    as_json: bool,
) -> None:
    from errata.cli.session import model_and_numbers, opened

    model, numbers = model_and_numbers(words)
    if len(numbers) != 1:
        raise InputError(f"{verb} takes the number of one edit, found {len(numbers)}: errata log lists them.")
    with opened(ledger, model, dtype, device) as (view, book):
        if verb == "undo":
            book.undo(numbers[0])
        else:
            book.redo(numbers[0])
        applied, weights = list(book.applied), view.weights_sha256()
    if as_json:
        output.print_json({"id": numbers[0], "did": verb, "applied": applied, "weights_sha256": weights})
        return
    state = "undone" if verb == "undo" else "applied again"
    page = output.paper()
    page.print(f"Edit {numbers[0]} is {state}; applied now: {', '.join(map(str, applied)) or 'none'}.")
    page.print(f"weights sha256 {weights}", style="dim", soft_wrap=True)

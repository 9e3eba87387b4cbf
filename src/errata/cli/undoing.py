"""`errata undo` and `errata redo`: take an edit out of the weights, and put it back."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from errata.cli import options, output
from errata.errors import InputError

_HELP = "The number of an edit; errata log lists them."
Words = Annotated[list[str], typer.Argument(metavar="[MODEL] ID", help=_HELP)]
FewWords = Annotated[list[str] | None, typer.Argument(metavar="[MODEL] [ID]", help=_HELP)]
To = Annotated[
    int | None,
    typer.Option("--to", metavar="ID", min=0, help="Undo every edit behind this one, at once; 0 undoes all."),
]


def undo(
    words: FewWords = None,
    to: To = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Take an edit out of the weights: bit for bit, as if it had never been applied.

    Example: errata undo 3 --ledger corrections

    Example: errata undo --to 2 --ledger corrections
    """
    if to is None:
        _change("undo", words or [], ledger, dtype, device, as_json)
    else:
        _undo_to(to, words or [], ledger, dtype, device, as_json)


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


def _undo_to(
    to: int, words: list[str], ledger: options.LedgerDir, dtype: str | None, device: str, as_json: bool
) -> None:
    from errata.cli.session import model_and_numbers, opened
    from errata.ledger.records import listed

    model, numbers = model_and_numbers(words)
    if numbers:
        raise InputError(f"undo takes the number of an edit or --to, found {numbers[0]} and --to {to}: leave one out.")
    with opened(ledger, model, dtype, device) as (view, book):
        undone = list(book.undo_to(to))
        applied, weights = list(book.applied), view.weights_sha256()
    if as_json:
        output.print_json({"to": to, "did": "undo", "undone": undone, "applied": applied, "weights_sha256": weights})
        return
    page = output.paper()
    page.print(f"Undone: {listed(undone) or 'none'}; applied now: {listed(applied) or 'none'}.")
    page.print(f"weights sha256 {weights}", style="dim", soft_wrap=True)


def _change(
    verb: Literal["undo", "redo"],
    words: list[str],
    ledger: options.LedgerDir,
    dtype: str | None,
    device: str,
    as_json: bool,
) -> None:
    from errata.cli.session import model_and_numbers, opened
    from errata.ledger.records import listed

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
    page.print(f"Edit {numbers[0]} is {state}; applied now: {listed(applied) or 'none'}.")
    page.print(f"weights sha256 {weights}", style="dim", soft_wrap=True)

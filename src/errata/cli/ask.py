"""`errata ask`: what a model answers, and how sure it is of the next token."""

from __future__ import annotations

from typing import Annotated

import typer

from errata.cli import options, output


def ask(
    model: options.Model,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="A text that ends where the answer begins.")],
    ledger: options.WithLedger = None,
    tokens: Annotated[int, typer.Option(metavar="N", min=1, help="Write at most this many tokens.")] = 24,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Ask a model: its greedy answer as it comes, then the five most probable next tokens.

    Example: errata ask pocket-gelu "The mother tongue of Danielle Darrieux is" --ledger corrections
    """
    from errata.cli.session import consulted
    from errata.errors import InputError
    from errata.model.phrases import answer_of
    from errata.model.writing import stream, top_tokens

    prompt = prompt.rstrip()
    if not prompt:
        raise InputError("The prompt is empty: write a text that ends where the answer begins.")
    page = output.paper()
    with consulted(model, ledger, dtype, device) as view:
        pieces: list[str] = []
        if not as_json:
            page.print(prompt, style="dim", end="", markup=False, soft_wrap=True)
        for piece in stream(view, prompt, tokens):
            pieces.append(piece)
            if not as_json:
                page.print(piece, style="bold", end="", markup=False, soft_wrap=True)
        best = top_tokens(view, prompt)
        name = view.name
    text = "".join(pieces)
    if as_json:
        ranked = [{"token": token, "probability": p} for token, p in best]
        output.print_json(
            {"model": name, "prompt": prompt, "text": text, "answer": answer_of(text), "next_tokens": ranked}
        )
        return
    from errata.reports.tables import bar

    page.print("\n" if not text.endswith("\n") else "")
    for token, p in best:
        page.print(f"  {token!r:>14}  {p:6.1%}  ", bar(p), highlight=False, markup=False)

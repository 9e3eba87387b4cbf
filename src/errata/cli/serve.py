"""`errata serve`: the page on which a model is asked, corrected and taken back, in a browser."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Annotated

import typer

from errata.cli import options, output
from errata.errors import InputError, MissingPackageError

PORT = 8420


def serve(
    model: options.OptionalModel = None,
    ledger: options.LedgerDir = options.CORRECTIONS,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; this machine alone by default.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(metavar="T", envvar="ERRATA_TOKEN", help="What clients must know; needed for other addresses."),
    ] = None,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Open a model and its ledger as a page: ask, locate, correct, preview, commit, undo, compare.

    It ends with Ctrl-C. The ledger is made by the first correction that is committed.

    Example: errata serve pocket-gelu --ledger corrections
    """
    try:
        from errata.web.app import create_app
        from errata.web.connections import server_of
        from errata.web.guard import Door
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"The page needs {error.name}, which is not installed: pip install 'errata-lm[web]'."
        ) from error
    from errata.desk import desk

    door = Door(host, token)
    with _listening(host, port) as listener, desk(ledger, model, dtype, device) as place:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}/"
        _tell(url, place.view.name, str(ledger), token is not None, as_json)
        server = server_of(create_app(place, door, lambda: server.should_exit))
        with suppress(KeyboardInterrupt):  # how it ends
            server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens; raises InputError for an address that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(f"Nothing can listen at {host} port {port} ({error.strerror}): choose another.") from error


def _tell(url: str, model: str, ledger: str, guarded: bool, as_json: bool) -> None:
    if as_json:
        output.print_json({"url": url, "model": model, "ledger": ledger, "token": guarded})
        typer.get_text_stream("stdout").flush()
        return
    page = output.paper()
    page.print(f"[bold]{url}[/]{'?token=…' if guarded else ''}  {model}, corrections in {ledger}", soft_wrap=True)
    page.print("Ctrl-C ends it.", style="dim")

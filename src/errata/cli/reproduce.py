"""`errata reproduce …`: a paper's tables from one command."""

from __future__ import annotations

import typer

from errata.cli.reproduce_kne import kne
from errata.cli.reproduce_land import land
from errata.cli.reproduce_o_edit import o_edit
from errata.cli.reproduce_widths import widths


def group() -> typer.Typer:
    """The commands `errata reproduce …`."""
    app = typer.Typer(help="A paper's tables on your model, from one command.", no_args_is_help=True)
    app.callback()(_start)
    app.command("kne")(kne)
    app.command("land")(land)
    app.command("o-edit")(o_edit)
    app.command("o-edit-widths")(widths)
    return app


def _start() -> None:
    """A paper's tables on your model, from one command."""

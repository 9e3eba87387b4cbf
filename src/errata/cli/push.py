"""`errata push`: an export to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import options, output


def push(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What errata export wrote.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The hub's repository; it is made if missing.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Who may see a new repository; the account's default.")
    ] = None,
    branch: Annotated[str | None, typer.Option(metavar="NAME", help="The branch; the repository's main one.")] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="The commit's message.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="The hub's address; HF_ENDPOINT, or the public one.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Upload an export to the hub, its own files only, with the token of hf auth login or HF_TOKEN.

    Example: errata push adapter me/corrections --private
    """
    from dataclasses import asdict

    from errata.export.push import push as upload

    found = upload(directory, repo, private, branch, message, endpoint)
    if as_json:
        output.print_json({**asdict(found), "directory": str(directory)})
        return
    page = output.paper()
    page.print(f"{len(found.files)} files of {directory} are in {found.repo}.", markup=False, soft_wrap=True)
    page.print(found.url, style="dim", markup=False, soft_wrap=True)

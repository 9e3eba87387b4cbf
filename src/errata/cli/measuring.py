"""What the commands share that measure for hours: their options, and where what they write goes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from errata.cli import completion, output
from errata.cli.hidden import without_secrets
from errata.errors import UNREADABLE, InputError
from errata.strict import json_in

DataFiles = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]...", help="The files of --data.", show_default=False)
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="pocket-gelu, pocket-swiglu, a folder or a hub id.",
        autocompletion=completion.models,
    ),
]
Seeds = Annotated[int, typer.Option(metavar="N", help="Seeds 0 … N − 1.")]
Device = Annotated[str | None, typer.Option(metavar="DEVICE", help="A torch device; by default the CPU.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where the JSON goes.")]
Pages = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the page and its figures go; by default with the JSON.")
]
Work = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where finished parts stay; by default a folder NAME.work in --out."),
]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Processes; by default one a core.")]
Render = Annotated[
    bool, typer.Option("--render", help="Measure nothing: write the result of the parts that are there.")
]


def command_line() -> str:
    """The command as it was given, without secrets."""
    return shlex.join(["errata", *without_secrets(sys.argv[1:])])


def name_of(model: str, data: str | None) -> str:
    """What files of a model are called, and of the data set it was measured on where that is not its own facts."""
    return Path(model).name if data is None else f"{Path(model).name}-{data}"


def made(*folders: Path) -> None:
    """Make the folders that are not there."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from errata.ledger.disk import write_durably

    write_durably(path, text.encode())


def require_no_less(path: Path, result: Mapping[str, Any], model: str | None = None) -> None:
    """Raise InputError where the file there holds more measured parts than this result would put in its place.

    Of a file of several `models` the part of `model` counts.
    """
    there, here = _parts(_held(path, model)), _parts(result)
    if there > here:
        raise InputError(
            f"{path} holds {there} measured parts and this result {here}: measure the others first, without --render, "
            "or choose another --out (with --work where its parts are)."
        )


def _held(path: Path, model: str | None) -> Any:
    """What a JSON file holds, of one of its models where that is asked; None where there is none."""
    try:
        held = json_in(path)
        return held if model is None else held["models"].get(model)
    except UNREADABLE:
        return None


def _parts(result: Any) -> int:
    """How many parts of a result were measured; 0 of what does not say."""
    units = result.get("units") if isinstance(result, Mapping) else None
    found = units.get("measured") if isinstance(units, Mapping) else None
    return found if isinstance(found, int) else 0


def write_page(
    result: dict[str, Any],
    stem: str,
    out: Path,
    place: Path,
    draw: Callable[[dict[str, Any], Path, str], dict[str, str]],
    page: Callable[[dict[str, Any], Mapping[str, str]], str],
) -> None:
    """Write a result to `out`, its figures and its page to `place`; a result of more parts is not replaced."""
    require_no_less(out / f"{stem}.json", result)
    made(out, place)
    write(out / f"{stem}.json", output.json_text(result))
    write(place / f"{stem}.md", page(result, draw(result, place, stem)))


def print_places(result: Mapping[str, Any], page: Path, numbers: Path) -> None:
    """How many parts are measured, where it says so, and where everything stands."""
    paper = output.paper()
    if "units" in result:
        units = result["units"]
        paper.print(f"\n{units['measured']} of {units['planned']} parts are measured.", markup=False)
    paper.print(f"The tables are in {page}, the numbers in {numbers}", markup=False, soft_wrap=True)

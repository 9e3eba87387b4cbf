"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from errata.cli import completion
from errata.errors import InputError

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="pocket-gelu, pocket-swiglu, a folder that save_pretrained wrote, or a hub id.",
        autocompletion=completion.models,
    ),
]
OptionalModel = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="The ledger's own model, unless another name for it is given.",
        autocompletion=completion.models,
    ),
]
Editor = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME",
        help="The editor: rome, memit_aligned, o_edit_plus, … (docs/editors.md).",
        autocompletion=completion.editors,
    ),
]
Localizer = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME",
        help="The localizer: knowledge_neurons, land, … (docs/attribution.md).",
        autocompletion=completion.localizers,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Dtype = Annotated[
    str | None,
    typer.Option(metavar="DTYPE", help="float32, bfloat16 or float16; by default the ledger's, else the model's own."),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="A torch device, for example cpu, cuda or cuda:1.")]
WithLedger = Annotated[
    Path | None, typer.Option("--ledger", metavar="DIR", help="Ask the model as this ledger corrects it.")
]
LedgerDir = Annotated[
    Path,
    typer.Option("--ledger", metavar="DIR", envvar="ERRATA_LEDGER", help="The directory that keeps the corrections."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the method, for example steps=50 or values.steps=50; repeat it.",
    ),
]
Layers = Annotated[str | None, typer.Option(metavar="N,N…", help="Layers by number, for example 1,2,3 or 4-8.")]
CORRECTIONS = Path("corrections")


def layer_numbers(text: str) -> list[int]:
    """The layers of `1,2,3`, `4-8` or both, sorted; raises InputError for anything else."""
    return numbers(text, "layers")


def numbers(text: str, what: str) -> list[int]:
    """The numbers of `1,2,3`, `4-8` or both, sorted; raises InputError, naming what they are, for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"The {what} {text!r} are no list of numbers: write for example 1,2,3 or 4-8.")
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)

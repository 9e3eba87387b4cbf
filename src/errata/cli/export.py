"""`errata export peft` and `errata export merged`: a ledger in the form that other tools run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import options, output

if TYPE_CHECKING:
    from errata.export.base import Base
    from errata.export.manifest import Manifest
    from errata.facts import Case, Fact
    from errata.ledger import Ledger
    from errata.model.view import ModelView

Out = Annotated[Path, typer.Argument(metavar="DIR", help="The directory to write; it is there whole or not at all.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The ledger's own, unless another name is given.")
]
Edits = Annotated[str | None, typer.Option(metavar="N,N…", help="Edits by number, for example 1,3-5; all by default.")]
BaseName = Annotated[
    str | None, typer.Option("--base", metavar="OWNER/NAME", help="The hub id of the base model, where it is a folder.")
]
Revision = Annotated[str | None, typer.Option(metavar="COMMIT", help="The base model's revision on the hub.")]
Licence = Annotated[str | None, typer.Option(metavar="ID", help="The base model's licence, for example apache-2.0.")]
File = Annotated[
    Path | None, typer.Option(metavar="FACTS", help="A JSONL file of facts that test the export, with paraphrases.")
]
NoScores = Annotated[bool, typer.Option("--no-scores", help="Ask the model nothing; the card says so.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export in DIR.")]


def group() -> typer.Typer:
    """The commands `errata export …`."""
    app = typer.Typer(help="Write a ledger as an adapter or as merged weights.", no_args_is_help=True)
    app.callback()(_start)
    app.command("peft")(peft)
    app.command("merged")(merged)
    return app


def _start() -> None:
    """Write a ledger as an adapter or as merged weights."""


def peft(
    directory: Out,
    ledger: options.LedgerDir = options.CORRECTIONS,
    model: Model = None,
    edits: Edits = None,
    max_rank: Annotated[
        int | None,
        typer.Option(metavar="R", min=1, help="Refuse a higher rank; vLLM's limits are 1, 8, 16, 32, 64, … 512."),
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Keep the strongest --max-rank directions, and measure what that costs.")
    ] = False,
    base: BaseName = None,
    revision: Revision = None,
    licence: Licence = None,
    file: File = None,
    no_scores: NoScores = False,
    overwrite: Overwrite = False,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Write the sum of a ledger's edits as a LoRA adapter, without loss, with a model card.

    Example: errata export peft adapter --model pocket-gelu --ledger corrections --max-rank 16
    """
    from errata.errors import InputError
    from errata.export import peft_adapter

    if truncate and max_rank is None:
        raise InputError("--truncate needs the rank to keep: give --max-rank too.")
    wanted = _Wanted(ledger, model, edits, base, revision, licence, file, no_scores, dtype, device)
    with _opened(wanted, as_json) as (view, book, common):
        found = peft_adapter.write(
            view, book, directory, max_rank=max_rank, truncate=truncate, overwrite=overwrite, **common
        )
    _report(directory, found, as_json)


def merged(
    directory: Out,
    ledger: options.LedgerDir = options.CORRECTIONS,
    model: Model = None,
    edits: Edits = None,
    shard_size: Annotated[str, typer.Option(metavar="SIZE", help="The largest file, for example 500MB.")] = "5GB",
    base: BaseName = None,
    revision: Revision = None,
    licence: Licence = None,
    file: File = None,
    no_scores: NoScores = False,
    overwrite: Overwrite = False,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Write the whole corrected model, bit for bit as the ledger has it, with tokenizer and model card.

    Example: errata export merged corrected --model pocket-gelu --ledger corrections
    """
    from errata.export import merged as merging

    wanted = _Wanted(ledger, model, edits, base, revision, licence, file, no_scores, dtype, device)
    with _opened(wanted, as_json) as (view, book, common):
        found = merging.write(view, book, directory, shard_size=shard_size, overwrite=overwrite, **common)
    _report(directory, found, as_json)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options that both commands have, as given."""

    ledger: Path
    model: str | None
    edits: str | None
    base: str | None
    revision: str | None
    licence: str | None
    file: Path | None
    no_scores: bool
    dtype: str | None
    device: str


@contextmanager
def _opened(wanted: _Wanted, silent: bool) -> Generator[tuple[ModelView, Ledger, dict[str, Any]]]:
    """The model, its ledger, and the arguments that both ways of writing take."""
    from errata.cli.session import opened
    from errata.export.base import base_of
    from errata.export.chosen import chosen

    numbers = None if wanted.edits is None else options.numbers(wanted.edits, "edits")
    with opened(wanted.ledger, wanted.model, wanted.dtype, wanted.device) as (view, book), _said(silent) as say:
        base: Base = base_of(view, wanted.base, wanted.revision, wanted.licence)
        facts = [fact for entry in chosen(book, numbers) for fact in entry.facts]
        yield view, book, {"edits": numbers, "base": base, "cases": _cases(wanted, view, facts), "say": say}


def _cases(wanted: _Wanted, view: ModelView, facts: Iterable[Fact]) -> tuple[Case, ...]:
    """What tests the export: the cases given, or the facts with what an embedded model's facts know of them."""
    from errata.cli.cases import read_cases
    from errata.datasets.pocket_probes import complete
    from errata.export.proof import cases_of

    if wanted.no_scores:
        return ()
    if wanted.file is not None:
        return tuple(case for _, case in read_cases(wanted.file))
    return tuple(complete(case, view.name) for case in cases_of(view, list(facts)))


@contextmanager
def _said(silent: bool) -> Generator[Callable[[str], None]]:
    """What is being done, on standard error, while it is done."""
    console = output.margin()
    console.quiet = silent or not console.is_terminal
    with console.status("") as status:
        yield status.update


def _report(directory: Path, found: Manifest, as_json: bool) -> None:
    from errata.export.adapter_file import serving_rank

    limit = serving_rank(found.r) if found.r else None
    if as_json:
        output.print_json({"directory": str(directory), "serving_rank": limit, **found.to_dict()})
        return
    page = output.paper()
    count = len(found.corrections)
    what = f"an adapter of rank {found.r}" if found.r else "merged weights"
    page.print(f"{count} edit{'s' * (count != 1)} written to {directory} as {what}.", markup=False, soft_wrap=True)
    for state, scores in found.scores.items():
        for score in scores.values():
            low, high = score["interval"]
            text = f"  {state}: {score['name']} {score['mean']:.3f} [{low:.3f}, {high:.3f}]"
            page.print(f"{text} (n = {score['n']}, {score['protocol']})", markup=False, soft_wrap=True)
    for row in found.layers:
        if row.rank < row.needed:
            lost = f"{row.lost:.3g} of the energy lost"
            page.print(f"  layer {row.layer}: rank {row.rank} of {row.needed}, {lost}", style="yellow", soft_wrap=True)
    if found.r:
        serve = f"--max-lora-rank {limit} or more" if limit else "merged weights: its ranks end at 512"
        page.print(f"vLLM serves it with {serve}.", style="dim", soft_wrap=True)
    page.print(f"weights sha256 {found.weights_sha256}", style="dim", soft_wrap=True)

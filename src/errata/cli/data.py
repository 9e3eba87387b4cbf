"""`errata data`: more phrasings of a relation from a language model, and a file held against its layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import hidden, options, output

if TYPE_CHECKING:
    from errata.datasets.check import Checked
    from errata.datasets.phrasings import Phrasing


def group() -> typer.Typer:
    """The commands `errata data …`."""
    app = typer.Typer(help="Prepare data sets.", no_args_is_help=True)
    app.callback()(_start)
    app.command("augment")(augment)
    app.command("check")(check)
    return app


def _start() -> None:
    """Prepare data sets."""


def augment(
    relations: Annotated[list[str], typer.Argument(metavar="RELATION...", help="Wikidata's names: P19 P131.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL; what is in it already stays and counts.")],
    url: Annotated[str, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint, with its version.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="The model to ask for there.")],
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Phrasings a relation shall have.")] = 10,
    pararel: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A ParaRel folder, for relations that are not shipped.")
    ] = None,
    key_variable: Annotated[
        str, typer.Option(metavar="NAME", help="The environment variable that holds the key, if one is needed.")
    ] = hidden.KEY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent; send and write nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Ask a language model for more phrasings of a relation, check each, and write those that are sound.

    Example: errata data augment P131 --pararel pararel --url http://localhost:8000/v1 --model llama --out more.jsonl
    """
    from errata.datasets import phrasings
    from errata.datasets.augment import message, propose
    from errata.endpoint import Endpoint
    from errata.errors import InputError

    if not out.parent.is_dir():
        raise InputError(f"There is no folder {out.parent} for {out.name}: make it first.")
    hidden.require_name(key_variable)
    endpoint = Endpoint(url, model, key_variable)
    written = phrasings.read(out) if out.exists() else ()
    lacking = {name: known for name, known in _known(relations, pararel, written).items() if len(known) < count}
    messages = {name: message(known, count - len(known)) for name, known in lacking.items()}
    if dry_run:
        _print_requests(endpoint.address, {name: endpoint.payload(text) for name, text in messages.items()}, as_json)
        return
    results: dict[str, Any] = {}
    for name, known in lacking.items():
        proposal = propose(endpoint, known, count - len(known))
        written = (*written, *proposal.phrasings)
        phrasings.write(out, written)
        results[name] = {
            "phrasings": [phrasing.template for phrasing in proposal.phrasings],
            "refused": [{"line": refusal.line, "reason": refusal.reason} for refusal in proposal.refusals],
            "missing": count - len(known) - len(proposal.phrasings),
        }
    _print_results(results, out, as_json)
    if any(result["missing"] for result in results.values()):
        raise typer.Exit(1)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL or one JSON list, gzipped or not.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The layout: jsonl, your own file; counterfact, zsre, knowedit, mquake, ripple."
        ),
    ] = "jsonl",
    as_json: options.Json = False,
) -> None:
    """Read every record of a file, say what is wrong with each that cannot be used, and count the reasons.

    Ends with 2 where a record is wrong; one that is left out, for example since another is about the same, is not.

    Example: errata data check facts.jsonl
    """
    from errata.datasets.check import check as checked

    found = checked(file, data)
    if as_json:
        output.print_json(
            {
                "file": str(file),
                "data": data,
                "records": found.records,
                "loaded": found.loaded,
                "reasons": found.reasons,
                "bad": [{"place": one.place, "reason": one.reason, "explanation": one.sentence} for one in found.bad],
                "left_out": [{"place": one.place, "reason": one.reason} for one in found.left_out],
            }
        )
    else:
        _print_checked(found)
    if found.bad:
        raise typer.Exit(2)


def _print_checked(found: Checked) -> None:
    page = output.paper()
    for one in found.bad:
        page.print(f"✗ {one}", markup=False, soft_wrap=True)
    for one in found.left_out:
        page.print(f"– {one.place}: {one.reason}", style="dim", markup=False, soft_wrap=True)
    counts = f"{found.loaded} of {found.records} records load, {len(found.left_out)} are left out"
    page.print(f"{counts}, {len(found.bad)} are wrong.", markup=False, soft_wrap=True)
    for reason, count in found.reasons.items():
        page.print(f"  {count} × {reason}", markup=False, soft_wrap=True)


def _known(relations: list[str], folder: Path | None, written: tuple[Phrasing, ...]) -> dict[str, tuple[Phrasing, ...]]:
    """Every phrasing there is of the relations, those of ParaRel first."""
    from errata.datasets import pararel_files, phrasings

    theirs = pararel_files.templates(folder) if folder is not None else {}
    shipped, more = phrasings.by_relation(phrasings.read()), phrasings.by_relation(written)
    return {
        name: phrasings.distinct((*theirs.get(name, ()), *shipped.get(name, ()), *more.get(name, ())))
        for name in relations
    }


def _print_requests(address: str, requests: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json({"address": address, "requests": requests})
        return
    page = output.paper()
    for name, request in requests.items():
        page.print(f"{name}: POST {address} for {request['model']}", markup=False, soft_wrap=True)
        page.print(request["messages"][0]["content"], markup=False, soft_wrap=True, style="dim")
    if not requests:
        page.print("Every relation has that many phrasings: nothing would be sent.")


def _print_results(results: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        output.print_json({"file": str(out), "relations": results})
        return
    page = output.paper()
    for name, result in results.items():
        for template in result["phrasings"]:
            page.print(f"{name} ✓ {template}", markup=False, soft_wrap=True)
        for refusal in result["refused"]:
            page.print(f"{name} ✗ {refusal['line']}: {refusal['reason']}", style="dim", markup=False, soft_wrap=True)
        if result["missing"]:
            page.print(f"{name} still lacks {result['missing']}: ask again, or another model.", style="red")
    if results:
        page.print(f"{out} has them; read each before use: only its form was checked.", markup=False, soft_wrap=True)
    else:
        page.print("Every relation has that many phrasings: nothing was asked.")

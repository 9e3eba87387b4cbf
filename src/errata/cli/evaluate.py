"""`errata evaluate`: a method, or a ledger, on a data set, scored by protocols that are never mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from errata.cli import hidden, measuring, options, output
from errata.errors import InputError

if TYPE_CHECKING:
    from errata.evaluation.ability import Abilities
    from errata.evaluation.protocols import Settings
    from errata.evaluation.results import Results
    from errata.model.view import ModelView
    from errata.reproduce.leaderboard.measure import Asked
    from errata.reproduce.leaderboard.plan import Unit

LEDGER = "ledger"


def evaluate(
    files: measuring.DataFiles = None,
    model: measuring.Model = "pocket-gelu",
    method: options.Editor = "rome",
    settings: options.Set = None,
    ledger: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead of a method: the model as this ledger corrects it.")
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="NAME", help="pocket, counterfact, zsre, knowedit, mquake, ripple, pararel, jsonl.")
    ] = "pocket",
    cases: Annotated[int, typer.Option(metavar="N", min=1, help="Cases that are edited and asked.")] = 100,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Draws the cases; 0: the first of a file.")] = 0,
    sequential: Annotated[bool, typer.Option("--sequential", help="All edits in one model, one after the other.")] = (
        False
    ),
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Cases that are edited together.")] = 1,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="generation (default), first-phrase, teacher-forced, likelihood, judge."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="New tokens a reply may have.")] = 50,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="General ability: a local JSONL task, or one of lm-eval's; repeat it."),
    ] = None,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="Held-out text, for perplexity.")] = None,
    judge_url: Annotated[str | None, typer.Option(metavar="URL", help="The judge's endpoint, with its version.")] = (
        None
    ),
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that judges.")] = None,
    judge_key_variable: Annotated[
        str, typer.Option(metavar="NAME", help="The environment variable that holds the judge's key.")
    ] = hidden.KEY,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the results here, as JSON Lines.")] = None,
    dtype: options.Dtype = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Edit the cases of a data set and score what the model says before and after, each number with its protocol.

    Each case is edited alone unless --batch or --sequential says otherwise. With --ledger nothing is edited: the cases
    are asked of the model as the ledger has it. Two results files are held against each other by errata compare.

    Example: errata evaluate --model pocket-gelu --method rome --cases 20 --out rome.jsonl
    """
    from errata.cli.session import consulted
    from errata.evaluation.results import write

    chosen = tuple(protocol or ("generation",))
    how = _settings(chosen, limit, judge_url, judge_model, judge_key_variable)
    if (task or text) and not (ledger or sequential):
        raise InputError("--task and --text ask one model: give --ledger, or --sequential, which ends in one.")
    unit = _unit(model, data, files or [], cases, seed, sequential, batch, method, settings or [], ledger)
    with consulted(model, ledger, dtype, device) as view:
        asked = _asked(view, unit, chosen, how)
        wanted = _Wanted(tuple(task or ()), text)
        found, able = (
            _of_ledger(view, unit, asked, wanted) if ledger else _of_method(view, unit, asked, wanted, sequential)
        )
    if out is not None:
        measuring.made(out.parent)
        write(out, found)
    if as_json:
        output.print_json(_plain(found, able, out))
        return
    _show(found, able, out)


class _Wanted:
    """What of general ability is wanted."""

    def __init__(self, tasks: Sequence[str], text: Path | None) -> None:
        self.tasks, self.text = tasks, text

    def measure(self, view: ModelView) -> Abilities | None:
        """The model's as it now is; None where nothing is wanted."""
        from errata.cli.ability import measure

        return measure(view, self.tasks, self.text) if self.tasks or self.text else None


def _settings(protocols: Sequence[str], limit: int, url: str | None, model: str | None, key_variable: str) -> Settings:
    from errata.endpoint import Endpoint
    from errata.evaluation.protocols import Settings, protocol

    for name in protocols:
        protocol(name)
    if "judge" not in protocols:
        return Settings(limit)
    if url is None or model is None:
        raise InputError("The protocol judge asks a language model: give --judge-url and --judge-model.")
    hidden.require_name(key_variable)
    return Settings(limit, endpoint=Endpoint(url, model, key_variable, temperature=0.0, attempts=3))


def _unit(
    model: str,
    data: str,
    files: Sequence[Path],
    cases: int,
    seed: int,
    sequential: bool,
    batch: int,
    method: str,
    settings: Sequence[str],
    ledger: Path | None,
) -> Unit:
    from errata.cli.settings import make_editor
    from errata.methods import settings_of
    from errata.reproduce.leaderboard.plan import SEQUENTIAL, SINGLE, Data, Method, Regime, Unit

    if ledger is not None:
        chosen = Method(LEDGER, LEDGER)
    else:
        made = make_editor(method, settings)
        chosen = Method(method, made.name, settings_of(made))
    kind = SEQUENTIAL if sequential or ledger else SINGLE
    return Unit(model, Data(data, data, tuple(map(str, files))), Regime(kind, cases, batch), chosen, seed)


def _asked(view: ModelView, unit: Unit, protocols: tuple[str, ...], settings: Settings) -> Asked:
    from errata.associative import cache
    from errata.model.identity import identify
    from errata.reproduce.leaderboard.before import before
    from errata.reproduce.leaderboard.measure import Asked
    from errata.reproduce.leaderboard.run import load, revision_of

    found = load(unit.model, unit.data, unit.regime.cases, unit.seed)
    weights, cases = identify(unit.model).weights, found.examinations
    said = before(view, weights, protocols, cases, settings, cache.directory() / "answers")
    command = measuring.command_line()
    return Asked(cases, unit.data.title, revision_of(found), weights, protocols, settings, said, command)


Able = Mapping[str, "Abilities"]


def _of_method(view: ModelView, unit: Unit, asked: Asked, wanted: _Wanted, sequential: bool) -> tuple[Results, Able]:
    from errata.reproduce.leaderboard.measure import measure

    able = {"before": wanted.measure(view)}

    def at_end() -> None:
        able["after"] = wanted.measure(view)

    found = measure(view, unit, asked, at_end if sequential else None)
    chosen = found.at_end if found.at_end is not None else found.right_after
    return chosen, {when: own for when, own in able.items() if own is not None}


def _of_ledger(view: ModelView, unit: Unit, asked: Asked, wanted: _Wanted) -> tuple[Results, Able]:
    from errata.reproduce.leaderboard.measure import AT_END, ask, results

    with view.unedited():
        able = {"before": wanted.measure(view)}
    able["after"] = wanted.measure(view)
    said = ask(view, asked.cases, asked.protocols, asked.settings)
    found = results(view, unit, asked, {"weights_sha256": view.weights_sha256()}, said, AT_END)
    return found, {when: own for when, own in able.items() if own is not None}


def _plain(found: Results, able: Able, out: Path | None) -> dict[str, Any]:
    from errata.evaluation.summary import summary

    return {
        "method": found.header.method,
        "model": found.header.model,
        "data": found.header.data,
        "regime": found.header.regime,
        "cases": len(found.rows),
        "already": sum(row.already for row in found.rows),
        "failed": sum(row.failed for row in found.rows),
        "scores": summary(found),
        "ability": {when: own.to_dict() for when, own in able.items()},
        "results": None if out is None else str(out),
    }


def _show(found: Results, able: Able, out: Path | None) -> None:
    from errata.reports.leaderboard.tables import ability_table, score_tables

    page = output.paper()
    header = found.header
    page.print(f"{header.method} on {header.model}, {header.data}, {len(found.rows)} cases", style="bold", markup=False)
    for count, words in (
        (sum(row.already for row in found.rows), "said the target before any edit"),
        (sum(row.failed for row in found.rows), "could not be edited, and are scored as they are"),
    ):
        if count:
            page.print(f"{count} cases {words}.", markup=False, soft_wrap=True)
    for table in score_tables(found):
        page.print(table)
    if able:
        page.print(ability_table(able))
    if out is not None:
        page.print(f"The results of every case are in {out}", markup=False, soft_wrap=True)

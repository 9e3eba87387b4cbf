"""The steps of the demo: ask, locate, correct, check, undo, report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from rich.console import Console
from rich.markup import escape

from errata import methods
from errata.cli.cases import case_of
from errata.datasets.pocket_probes import complete
from errata.deltas import Edit
from errata.desk.opening import open_view
from errata.errors import InputError
from errata.evaluation import CaseOutcome, Comparison, check, compare
from errata.facts import Case, Fact
from errata.ledger import Ledger
from errata.model.view import ModelView
from errata.neurons import Attribution
from errata.reports import html
from errata.reports.record import Hashes, Origin, Record, machine, odds, shifts, shown_answers
from errata.reports.tables import before_after, cells_for, heat_strip, neuron_table

SUBJECT, PROMPT, TARGET = "Danielle Darrieux", "The mother tongue of {} is", "English"


def tour(
    model: str, out: Path, page: Console, dtype: str | None = None, device: str = "cpu"
) -> tuple[Record, dict[str, Path]]:
    """Walk through the main job, telling every step on `page`; returns the record and the files written."""
    steps = Steps(page)
    with steps.timed("load"):
        view = open_view(model, dtype, device)
    size = sum(parameter.numel() for parameter in view.model.parameters()) / 1e6
    shape = f"{size:.1f} M parameters, {view.n_layers} layers of {view.d_ff} neurons"
    page.print(f"[bold]{model}[/] [dim]· {shape}[/]")
    case = complete(case_of(Fact(SUBJECT, PROMPT, TARGET)), model)
    before = _ask(steps, view, case)
    attribution = _locate(steps, view, Fact(SUBJECT, PROMPT, answer=before.prompt.answer))
    start = view.weights_sha256()
    questions = shown_answers(before)
    odds_before = odds(view, questions)
    edit = _correct(steps, view, case)
    with tempfile.TemporaryDirectory(prefix="errata-demo-") as directory, Ledger.open(directory, view) as ledger:
        number = ledger.apply(edit)
        comparison = _check(steps, view, case, before)
        odds_after = odds(view, questions)
        hashes = _undo(steps, view, ledger, number, start)
    record = Record(
        fact=case.fact,
        attribution=attribution,
        edit=edit,
        comparison=comparison,
        shifts=shifts(comparison, questions, odds_before, odds_after),
        hashes=hashes,
        origin=_origin(steps, view, model, dtype),
    )
    return record, _report(steps, record, out, model)


@final
class Steps:
    """Numbered steps on a page, and how long the work of each took."""

    def __init__(self, page: Console) -> None:
        self.page = page
        self.seconds: dict[str, float] = {}
        self._number = 0

    def begin(self, title: str, sentence: str) -> None:
        """Print the next step's number and title, and what happens in it and why."""
        self._number += 1
        self.page.print(f"\n[bold reverse] {self._number} [/] [bold]{title}[/]  [dim]{sentence}[/]\n")

    @contextmanager
    def timed(self, name: str) -> Generator[None]:
        """Keep the time the block takes."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def _ask(steps: Steps, view: ModelView, case: Case) -> CaseOutcome:
    steps.begin("Ask", "The model goes on from the prompt until it stops by itself.")
    with steps.timed("ask"):
        before = check(view, case)
    if not before.prompt.answer:
        raise InputError(f"{view.name} gives no answer to {case.fact.text!r}: there is nothing to correct.")
    steps.page.print(f"    {case.fact.text} [bold yellow]{escape(before.prompt.answer)}[/]", soft_wrap=True)
    return before


def _locate(steps: Steps, view: ModelView, fact: Fact) -> Attribution:
    neurons = f"{view.n_layers} × {view.d_ff}"
    steps.begin("Locate", f"Integrated gradients share the answer's probability out among {neurons} neurons.")
    with steps.timed("locate"):
        found = methods.localizer("knowledge_neurons").attribute(view, [fact])[0]
    steps.page.print(heat_strip(found, cells_for(steps.page.width)))
    steps.page.print()
    steps.page.print(neuron_table(found, 5))
    chosen = f"{len(found.neurons)} neurons reach {found.settings['threshold']:.0%} of the best score"
    steps.page.print(f"\n    {chosen}; a layer's scores add up to its effect within {found.gap:.0e}.", soft_wrap=True)
    return found


def _correct(steps: Steps, view: ModelView, case: Case) -> Edit:
    steps.begin("Correct", "ROME seeks the value behind the subject that gives the new answer, and writes it.")
    with steps.timed("edit"):
        edit = methods.editor("rome").edit(view, [case.fact])
    for delta in edit.deltas:
        share = delta.norm() / float(view.weight(delta.layer).float().norm())
        steps.page.print(
            f"    [bold green]{case.fact.target}[/] goes into layer {delta.layer}: rank {delta.rank}, {share:.1%} of "
            f"its weights' norm, found in {steps.seconds['edit']:.1f} s",
            soft_wrap=True,
        )
    return edit


def _check(steps: Steps, view: ModelView, case: Case, before: CaseOutcome) -> Comparison:
    steps.begin("Check", "Other phrasings should give the new answer too, and other people keep theirs.")
    with steps.timed("check"):
        found = compare(before, check(view, case))
    steps.page.print(before_after(found))
    return found


def _undo(steps: Steps, view: ModelView, ledger: Ledger, number: int, start: str) -> Hashes:
    steps.begin("Undo", "The ledger computes the weights anew without the edit, so that every bit is as it was.")
    edited = view.weights_sha256()
    with steps.timed("undo"):
        ledger.undo(number)
    hashes = Hashes(start, edited, view.weights_sha256())
    color = "green" if hashes.restored else "red"
    for when, value in (("before", hashes.before), ("edited", hashes.edited), ("undone", hashes.undone)):
        shown = value if when == "edited" else f"[{color}]{value}[/]"
        steps.page.print(f"    [dim]{when}[/]  {shown}", soft_wrap=True)
    verdict = "identical, bit for bit" if hashes.restored else "NOT identical"
    steps.page.print(f"\n    The weights are [bold {color}]{verdict}[/] (SHA-256 over every parameter).")
    return hashes


def _report(steps: Steps, record: Record, out: Path, model: str) -> dict[str, Path]:
    steps.begin("Report", "The page holds the heat map, the answers before and after, and how to make them again.")
    out.mkdir(parents=True, exist_ok=True)
    files = {"report": out / "report.html", "edit_file": out / "edit.safetensors"}
    html.write(record, files["report"])
    record.edit.save(files["edit_file"])
    steps.page.print(f"    [bold]{escape(str(files['report']))}[/]", soft_wrap=True)
    steps.page.print("\n    Keep the correction, ask again, take it back:", style="dim")
    for line in (
        f"errata apply {model} {files['edit_file']}",
        f'errata ask {model} "{record.fact.text}" --ledger corrections',
        "errata undo 1  # the number that apply gave it",
    ):
        steps.page.print(f"    {line}", style="cyan", markup=False, soft_wrap=True)
    return files


def _origin(steps: Steps, view: ModelView, model: str, dtype: str | None) -> Origin:
    extra = f" --dtype {dtype}" if dtype else ""
    return Origin(
        model=model,
        dtype=str(view.dtype).removeprefix("torch."),
        fingerprint=view.model_fingerprint(),
        command=f"errata demo --model {model}{extra}",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        seconds=dict(steps.seconds),
    )

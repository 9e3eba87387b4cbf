"""Run edits: one fact with its table, or a file of facts with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errata.cli import output
from errata.datasets.pocket_probes import complete
from errata.desk import Correction, Desk, correction_row, desk
from errata.errors import ConflictError, EditError, InputError
from errata.facts import Case
from errata.methods import Editor
from errata.reports.tables import before_after

DONE, DECLINED = 0, 1


class DeclinedError(EditError):
    """A correction that made checks worse, and that nobody agreed to.

    Cause: a paraphrase did not follow or a neighbour changed, and the question was answered with no, or there was no
    terminal to ask in.
    Cure: look at what got worse; another layer or method (`errata layers MODEL`), or `--yes` to write it all the same.
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """How edits are to be made and written."""

    ledger: Path
    editor: Editor
    yes: bool
    supersede: bool
    dry_run: bool
    as_json: bool


def edit_one(plan: Plan, case: Case, save: Path | None, model: str, dtype: str | None, device: str) -> int:
    """Correct one fact; returns the exit code."""
    with desk(plan.ledger, model, dtype, device) as place:
        found = place.prepare(complete(case, model), plan.editor, plan.supersede)
        page = output.margin() if plan.as_json else output.paper()
        if not plan.as_json:
            page.print(before_after(found.comparison))
        number = None
        if not plan.dry_run:
            if not _agreed(plan, found):
                return _declined(plan, found)
            number = place.commit(found.edit, plan.supersede)
        if save is not None:
            found.edit.save(save)
        weights = place.view.weights_sha256()
    if plan.as_json:
        output.print_json({"id": number, **_where(plan, model), **correction_row(found), "weights_sha256": weights})
        return DONE
    _tell(plan, number, found)
    if save is not None:
        page.print(f"The edit is saved in {save}.", markup=False, soft_wrap=True)
    return DONE


def edit_file(plan: Plan, cases: Sequence[tuple[int, Case]], model: str, dtype: str | None, device: str) -> int:
    """Correct the facts of a file line by line; a line that fails is reported and the next one tried."""
    edits: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    worst = DONE
    with desk(plan.ledger, model, dtype, device) as place, output.bar("editing") as progress:
        task = progress.add_task("", total=len(cases), now="")
        for line, case in cases:
            progress.update(task, now=case.fact.subject)
            try:
                edits.append({"line": line, **_edit_line(plan, place, complete(case, model))})
            except (InputError, EditError, ConflictError) as error:
                failed.append({"line": line, "error": str(error)})
                progress.console.print(f"line {line}: {error}", markup=False, soft_wrap=True)
                worst = max(worst, DECLINED if isinstance(error, DeclinedError) else error.exit_code)
            progress.advance(task)
        weights = place.view.weights_sha256()
    if plan.as_json:
        output.print_json({**_where(plan, model), "edits": edits, "failed": failed, "weights_sha256": weights})
    else:
        done = "computed, none written" if plan.dry_run else f"written to {plan.ledger}"
        output.paper().print(f"{len(edits)} of {len(cases)} edits {done}, {len(failed)} failed.", soft_wrap=True)
    return worst


def _edit_line(plan: Plan, place: Desk, case: Case) -> dict[str, Any]:
    found = place.prepare(case, plan.editor, plan.supersede)
    number = None
    if not plan.dry_run:
        if found.doubts and not plan.yes:
            raise DeclinedError(f"{' '.join(found.doubts)} Nothing was written; --yes writes it all the same.")
        number = place.commit(found.edit, plan.supersede)
    return {"id": number, **correction_row(found)}


def _agreed(plan: Plan, found: Correction) -> bool:
    if not found.doubts or plan.yes:
        return True
    for doubt in found.doubts:
        output.margin().print(doubt, style="yellow", markup=False, soft_wrap=True)
    return output.confirmed("Write the edit all the same?")


def _declined(plan: Plan, found: Correction) -> int:
    reason = f"{' '.join(found.doubts)} Nothing was written; --yes writes it all the same."
    if plan.as_json:
        output.print_json({"error": reason, "id": None, **correction_row(found)})
    else:
        output.margin().print("Nothing was written; --yes writes it all the same.", soft_wrap=True)
    return DECLINED


def _where(plan: Plan, model: str) -> dict[str, Any]:
    return {"model": model, "ledger": str(plan.ledger), "dry_run": plan.dry_run}


def _tell(plan: Plan, number: int | None, found: Correction) -> None:
    page = output.paper()
    if number is None:
        page.print("\nNothing was written: this was a dry run.")
        return
    gone = f", superseding {', '.join(map(str, found.supersedes))}" if found.supersedes else ""
    page.print(f"\nEdit {number} is in {plan.ledger}{gone}; errata undo {number} takes it back.", soft_wrap=True)

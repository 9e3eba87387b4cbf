"""`errata edit --sequence`: a file of facts edited in a row, one ledger entry a step, with checkups and an alarm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, final

from rich.progress import Progress, TaskID

from errata.cli import output
from errata.cli.cases import read_probes
from errata.datasets.pocket_probes import complete
from errata.desk import Desk, desk
from errata.errors import UNREADABLE, InputError
from errata.facts import Case
from errata.ledger.records import CHECKUPS
from errata.methods import Editor
from errata.sequences import Alarm, Battery, Checkup, Health, Kept, Step, before, known_facts, run
from errata.strict import json_of, lines_of, text_of

DONE, NOT_ALL = 0, 1
PARAPHRASES, NEIGHBOURS, KNOWN = 2, 2, 100
COLUMNS = ("edits", "new", "all", "general.", "specific.", "known", "perplexity", "‖W−W₀‖/‖W₀‖")


@dataclass(frozen=True, slots=True)
class Course:
    """How a sequence is to be edited and measured."""

    ledger: Path
    editor: Editor
    batch: int
    every: int | tuple[int, ...]


def planned(ledger: Path, editor: Editor, batch: int, every: str) -> Course:
    """A course from options; raises InputError for numbers that are none."""
    if batch < 1:
        raise InputError(f"--batch {batch} is no number of facts: give 1 or more.")
    words = [word.strip() for word in every.split(",")]
    numbers = tuple(int(word) for word in words if word.isdecimal())
    if len(numbers) < len(words) or min(numbers) < 1 or list(numbers) != sorted(set(numbers)):
        raise InputError(f"--every {every} says not when to look: give a number, or rising ones such as 1,10,100.")
    return Course(ledger, editor, batch, numbers if "," in every else numbers[0])


def edit_sequence(
    course: Course,
    health: Health,
    cases: Sequence[tuple[int, Case]],
    text: Path | None,
    known: Path | None,
    model: str,
    dtype: str | None,
    device: str,
    as_json: bool,
) -> int:
    """Edit the facts of a file in their order, or go on where that ended; returns the exit code."""
    lines = [line for line, _ in cases]
    battery = _battery([case for _, case in cases], model, text, known)
    with desk(course.ledger, model, dtype, device) as place, output.bar("editing") as progress:
        book = Kept(lambda: place.ledger, place.commit)
        task = progress.add_task("", total=len(lines), now="asking the unedited model")
        with place.unedited():
            unedited = before(place.view, battery)
        rows = _earlier(course.ledger, battery, [number for number, _ in book.entries()])
        tale = _Tale(progress, task, lines)
        checkups = run(
            place.view, course.editor, battery, course.batch, book, course.every, health, unedited, rows, tale.hear
        )
        page = output.paper(silent=as_json)
        page.print("  ".join(COLUMNS), style="bold", markup=False, soft_wrap=True)
        for row in rows:
            page.print(_line(row), style="dim", markup=False, soft_wrap=True)
        for row in checkups:
            rows.append(row)
            _write(course.ledger, battery, row)
            page.print(_line(row), markup=False, soft_wrap=True)
        alarm = health.judge(rows)
        good = 0 if alarm is None else _good(alarm, battery, place)
        weights = place.view.weights_sha256()
    if as_json:
        row = None if alarm is None else {"reason": alarm.reason, "at": alarm.at, "last_good_edit": good}
        where = {"model": model, "ledger": str(course.ledger), "method": course.editor.name, "batch": course.batch}
        told = {"facts": len(lines), "edits": tale.edits, "already": tale.already, "failed": tale.failed}
        found = [checkup.to_dict() for checkup in rows]
        output.print_json({**where, **told, "checkups": found, "alarm": row, "weights_sha256": weights})
    else:
        _tell(course, tale, alarm, good)
    return NOT_ALL if alarm is not None or tale.failed else DONE


def _battery(cases: Sequence[Case], model: str, text: Path | None, known: Path | None) -> Battery:
    """The cases, of a pocket model with what its facts know of them, known facts and text."""
    whole = [complete(case, model, NEIGHBOURS) for case in cases]
    pairs = zip(cases, whole, strict=True)
    own = [replace(full, paraphrases=case.paraphrases or full.paraphrases[:PARAPHRASES]) for case, full in pairs]
    lines = () if text is None else tuple(line for line in _text(text).splitlines() if line.strip())
    battery = Battery(tuple(own), text=lines)
    if known is not None:
        return replace(battery, known=tuple(read_probes(known)))
    if not model.startswith("pocket-"):
        return battery
    return replace(battery, known=known_facts(model.removeprefix("pocket-"), own, KNOWN, exactly=False))


def _text(path: Path) -> str:
    try:
        found = text_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"The file {path} cannot be read ({error}): give a text file.") from error
    if not found.strip():
        raise InputError(f"The file {path} holds no text: give held-out text for the perplexity.")
    return found


@final
class _Tale:
    """What happened step by step, by the lines of the file."""

    def __init__(self, progress: Progress, task: TaskID, lines: Sequence[int]) -> None:
        self._progress, self._task, self._lines = progress, task, lines
        self.edits = 0
        self.already: list[int] = []
        self.failed: list[dict[str, Any]] = []

    def hear(self, step: Step) -> None:
        """Count a step, and report what could not be edited."""
        self.edits += step.edit is not None
        self.already += [self._lines[at] for at in step.already]
        if step.error is not None:
            lines = [self._lines[at] for at in range(step.first, step.end) if at not in step.already]
            self.failed.append({"lines": lines, "error": step.error})
            numbers = ", ".join(map(str, lines))
            where = f"line {numbers}" if len(lines) == 1 else f"lines {numbers}"
            self._progress.console.print(f"{where}: {step.error}", markup=False, soft_wrap=True)
        self._progress.update(self._task, completed=step.end, now=f"line {self._lines[step.end - 1]}")


def _fingerprint(battery: Battery, done: int) -> str:
    """Which cases a checkup is about."""
    facts = [asdict(case.fact) for case in battery.cases[:done]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _earlier(directory: Path, battery: Battery, applied: Sequence[int]) -> list[Checkup]:
    """The checkups of this sequence whose edits are in force; a line cut short by an interruption is none."""
    path = directory / CHECKUPS
    found: dict[int, Checkup] = {}
    for line in lines_of(path):
        try:
            row = cast(dict[str, Any], json_of(line))
            done = int(row["done"])
            mine = row.pop("sequence") == _fingerprint(battery, done) and row["edit"] in applied
            if mine:
                found[done] = Checkup.from_dict(row)
        except (*UNREADABLE, InputError):
            continue
    return [found[done] for done in sorted(found)]


def _write(directory: Path, battery: Battery, row: Checkup) -> None:
    if not directory.is_dir():
        return  # nothing was edited, so there is no ledger
    line = json.dumps({"sequence": _fingerprint(battery, row.done), **row.to_dict()}, allow_nan=False)
    with (directory / CHECKUPS).open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode())


def _good(alarm: Alarm, battery: Battery, place: Desk) -> int:
    """The edit to go back to: the last good checkup's, or the one before the sequence; 0 for none."""
    if alarm.good is not None and alarm.good.edit is not None:
        return alarm.good.edit
    keys = {case.fact.key for case in battery.cases}
    entries = () if place.ledger is None else place.ledger.entries()
    mine = [entry.id for entry in entries if entry.applied and any(fact.key in keys for fact in entry.facts)]
    return max((entry.id for entry in entries if entry.applied and entry.id < min(mine, default=0)), default=0)


def _line(row: Checkup) -> str:
    def mean(found: Any) -> str:
        return "–" if found is None else f"{found.mean:.3f}"

    ppl = "∞" if row.broken else "–" if row.perplexity is None else f"{row.perplexity:.1f}"
    scores = [row.new.get("efficacy"), *(row.all.get(name) for name in ("efficacy", "generalization", "specificity"))]
    cells = [str(row.done), *map(mean, [*scores, row.known]), ppl, f"{row.relative:.3f}"]
    return "  ".join(cell.rjust(len(column)) for cell, column in zip(cells, COLUMNS, strict=True))


def _tell(course: Course, tale: _Tale, alarm: Alarm | None, good: int) -> None:
    page = output.paper()
    left = f", {len(tale.already)} facts were so already" if tale.already else ""
    failed = f", {len(tale.failed)} steps failed" if tale.failed else ""
    page.print(f"\n{tale.edits} edits written to {course.ledger}{left}{failed}.", markup=False, soft_wrap=True)
    if alarm is not None:
        back = f"errata undo --to {good} --ledger {course.ledger}"
        which = f"The last good edit is {good}" if good else "No checkup was good"
        said = f"Alarm after {alarm.at} facts: {alarm.reason} {which}; {back} goes back there."
        output.margin().print(said, style="bold red", markup=False, soft_wrap=True)

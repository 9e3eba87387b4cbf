"""O-Edit, reconstructed: sequences of edits by every editor, its switches, and single edits, from one command.

Every unit, an arm in one sequence with one seed, is a file in the work directory, written whole or not at all. A run
that was stopped goes on with the units that are missing; a result can be made of those that are there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import torch
from tqdm import tqdm

from errata.errors import EditError
from errata.ledger.disk import write_durably
from errata.methods import versions
from errata.model.identity import identify
from errata.model.load import load
from errata.model.view import ModelView
from errata.reproduce.o_edit.batteries import Source, digest
from errata.reproduce.o_edit.measure import measure
from errata.reproduce.o_edit.plan import Plan, Unit
from errata.reproduce.o_edit.result import editors_of, result_of, single_of, width_of
from errata.reproduce.o_edit.rows import Done
from errata.sequences import Battery

Work = tuple[Unit, Path]


def reproduce(
    source: Source, plan: Plan, work: Path, command: str, workers: int = 1, measuring: bool = True, silent: bool = False
) -> dict[str, Any]:
    """The result as plain values, with the names of units that are missing; without `measuring` nothing is computed.

    Raises InputError for a data set with fewer facts than the plan's sequences need, EditError where a unit failed,
    after all others are measured.
    """
    work.mkdir(parents=True, exist_ok=True)
    weights = identify(plan.model).weights
    longest = max(plan.edits, plan.single)
    batteries = {seed: source.battery(seed, longest, plan.known) for seed in plan.seeds}
    digests = {seed: digest(battery) for seed, battery in batteries.items()}
    places = [(unit, work / plan.file_name(unit, weights, digests[unit.seed])) for unit in plan.units()]
    if measuring:
        _measure([(unit, path) for unit, path in places if not path.exists()], plan, batteries, workers, silent)
    units = [Done(unit, _read(path)) for unit, path in places]
    return {
        "command": command,
        "method": "reconstruction of O-Edit",
        "model": plan.model,
        "weights": weights,
        "width": width_of(units),
        "data": source.described,
        "versions": versions(),
        "seeds": list(plan.seeds),
        "settings": plan.settings(),
        "arms": editors_of(plan, units),
        "single": single_of(plan, units),
        **result_of(plan, units),
    }


def _measure(missing: Sequence[Work], plan: Plan, batteries: dict[int, Battery], workers: int, silent: bool) -> None:
    """Measure units in their order, in processes of one thread each where there are several.

    A unit that fails keeps no other from being measured. Raises EditError at the end where one did.
    """
    failures: list[str] = []
    with tqdm(total=len(missing), desc="measuring", unit="unit", disable=silent or None, smoothing=0) as bar:
        for failure in _outcomes(missing, plan, batteries, workers):
            bar.update()
            if failure:
                failures.append(failure)
                bar.write(f"Not measured: {failure}", file=sys.stderr)
    if failures:
        raise EditError(
            f"{len(failures)} of {len(missing)} parts could not be measured, the first is {failures[0]} "
            "(the others are kept: --render shows them)."
        )


def _outcomes(missing: Sequence[Work], plan: Plan, batteries: dict[int, Battery], workers: int) -> Iterator[str | None]:
    """What went wrong in a unit, or None, as each is done."""
    if not missing:
        return
    if min(workers, len(missing)) < 2:
        view = load(plan.model, device=plan.device)
        for work in missing:
            yield _do(view, plan, work, batteries)
        return
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(min(workers, len(missing)), context) as pool:
        todo, done = manager.Queue(), manager.Queue()
        for work in missing:
            todo.put(work)
        running = [pool.submit(_work, plan, batteries, todo, done) for _ in range(min(workers, len(missing)))]
        left = len(missing)
        while left:
            try:
                yield done.get(timeout=1.0)
                left -= 1
            except Empty:
                for future in running:
                    if future.done():
                        future.result()  # raises where a process died


def _work(plan: Plan, batteries: dict[int, Battery], todo: Queue[Work], done: Queue[str | None]) -> None:
    """Take units until none is left; the model is loaded once, and with it what was measured of it unedited."""
    torch.set_num_threads(1)
    view = load(plan.model, device=plan.device)
    while True:
        try:
            work = todo.get_nowait()
        except Empty:
            return
        done.put(_do(view, plan, work, batteries))


def _do(view: ModelView, plan: Plan, work: Work, batteries: dict[int, Battery]) -> str | None:
    """Measure one unit and write its file; what went wrong, or None."""
    unit, path = work
    try:
        found = measure(view, plan, unit, batteries[unit.seed])
        write_durably(path, json.dumps(found, allow_nan=False).encode())
    except Exception as error:  # whatever it is: hours of other units must not be lost
        return f"{unit.name}: {error}"
    return None


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

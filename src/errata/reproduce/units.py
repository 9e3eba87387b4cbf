"""Parts of a long measurement, each a file that is written whole or not at all; what is there is not measured again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch
from tqdm import tqdm

from errata.errors import EditError, InputError
from errata.ledger.disk import write_durably
from errata.model.load import load
from errata.model.view import ModelView
from errata.strict import json_in
from errata.training.identify import cores


@runtime_checkable
class Named(Protocol):
    """A part, with what people read."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...


Unit = TypeVar("Unit", bound=Named)
Work = tuple[Unit, Path]
# What a unit's file holds, given the model; in a process of its own it is called by name, so it is a module's function
# or a partial of one.
Measure = Callable[[ModelView, Unit], bytes]


def measure_missing(
    works: Sequence[Work[Unit]],
    measure: Measure[Unit],
    model: str,
    device: str | None,
    workers: int,
    silent: bool,
    what: str = "measuring",
) -> list[str]:
    """Measure units that have no file, in their order, in processes of one thread each where there are several.

    Of units that share a file the first is measured. One that fails keeps no other from being measured; it is said at
    once, and returned with what went wrong.
    """
    missing = unmeasured(works)
    failures: list[str] = []
    with tqdm(total=len(missing), desc=what, unit="unit", disable=silent or None, smoothing=0) as bar:
        for failure in _outcomes(missing, measure, model, device, workers):
            bar.update()
            if failure:
                failures.append(failure)
                bar.write(f"Not measured: {failure}", file=sys.stderr)
    return failures


def unmeasured(works: Sequence[Work[Unit]]) -> list[Work[Unit]]:
    """The units that have no file, in their order; of those that share one the first."""
    found: dict[Path, Work[Unit]] = {}
    for work in works:
        if not work[1].exists():
            found.setdefault(work[1], work)
    return list(found.values())


@contextmanager
def all_threads() -> Generator[None]:
    """Inside, PyTorch works with a thread on every core that this process may use: what is timed runs by itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_json(path: Path) -> dict[str, Any] | None:
    """What a unit's JSON file holds; None where it was not measured yet. Raises InputError for a damaged one."""
    if not path.exists():
        return None
    try:
        found = json_in(path)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise InputError(f"The part {path} cannot be read ({error}): delete it, and it is measured anew.") from error
    return cast(dict[str, Any], found)


def require_all(failures: Sequence[str], parts: int) -> None:
    """Raise EditError where a unit failed."""
    if failures:
        raise EditError(
            f"{len(failures)} of {parts} parts could not be measured, the first is {failures[0]} "
            "(the others are kept: --render shows them)."
        )


def _outcomes(
    missing: Sequence[Work[Unit]], measure: Measure[Unit], model: str, device: str | None, workers: int
) -> Iterator[str | None]:
    """What went wrong in a unit, or None, as each is done."""
    if not missing:
        return
    if min(workers, len(missing)) < 2:
        view = load(model, device=device)
        for work in missing:
            yield _do(view, measure, work)
        return
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(min(workers, len(missing)), context) as pool:
        todo, done = manager.Queue(), manager.Queue()
        for work in missing:
            todo.put(work)
        running = [pool.submit(_work, measure, model, device, todo, done) for _ in range(min(workers, len(missing)))]
        left = len(missing)
        while left:
            try:
                yield done.get(timeout=1.0)
                left -= 1
            except Empty:
                for future in running:
                    if future.done():
                        future.result()  # raises where a process died


def _work(
    measure: Measure[Unit], model: str, device: str | None, todo: Queue[Work[Unit]], done: Queue[str | None]
) -> None:
    """Take units until none is left; the model is loaded once, and with it what was measured of it unedited."""
    torch.set_num_threads(1)
    view = load(model, device=device)
    while True:
        try:
            work = todo.get_nowait()
        except Empty:
            return
        done.put(_do(view, measure, work))


def _do(view: ModelView, measure: Measure[Unit], work: Work[Unit]) -> str | None:
    """Measure one unit and write its file, unless it is there by now; what went wrong, or None."""
    unit, path = work
    if path.exists():
        return None
    try:
        write_durably(path, measure(view, unit))
    except Exception as error:  # whatever it is: hours of other units must not be lost
        return f"{unit.name}: {error}"
    return None

"""Steps that somebody may watch: a bar in the terminal, or a listener of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm.auto import tqdm

# What is being done, steps done so far, steps at most.
Listener = Callable[[str, int, int], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Generator[None]:
    """Tell `listener` of every step begun inside the block, instead of drawing bars."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def steps(count: int, what: str, unit: str = "step") -> Iterator[int]:
    """0 … count − 1, shown as a bar called `what`, or told to the listener.

    Example: `for step in steps(60, "optimising values"): …`
    """
    listener = _LISTENER.get()
    if listener is None:
        yield from tqdm(range(count), desc=what, unit=unit, leave=False, disable=None)
        return
    for step in range(count):
        listener(what, step, count)
        yield step

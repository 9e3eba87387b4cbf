"""Jobs: one thread works on the model, one job after the other; everybody who follows hears of each step.

The board and all its jobs belong to the event loop. The worker's thread hands every change over to the loop, so that
nothing is locked and no reader sees half a change.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, final, runtime_checkable

from errata.errors import ConflictError, ErrataError
from errata.ledger.records import now
from errata.web import wire

KEPT = 100  # jobs that are over and still remembered
WHOLE = 16  # jobs that a list has with their results
QUEUED = 64  # jobs that may wait
FOLLOWERS = 64  # that may listen at once
BEHIND = 5000  # messages a follower may be behind before it is let go; it comes back and begins with a snapshot

Message = dict[str, Any]


class StoppedError(Exception):
    """The job was cancelled; raised inside the work."""


class BusyError(Exception):
    """The board has as much as it takes: ask again a little later."""


@runtime_checkable
class Teller(Protocol):
    """What a piece of work says on the way, from the worker's thread."""

    def progress(self, what: str, done: int, total: int) -> None:
        """It is at this step of so many."""

    def text(self, piece: str) -> None:
        """The model has written this."""

    def check(self) -> None:
        """Raise StoppedError if the job is cancelled."""


# What a job does, on the worker's thread: it is told its number and gives its result.
Work = Callable[[Teller, int], dict[str, Any]]


@final
@dataclass(eq=False)
class Task:
    """A job as the board keeps it: what is shown of it, its work, and whether it shall stop."""

    shown: wire.Job
    work: Work
    cancellable: bool
    stop: threading.Event = field(default_factory=threading.Event)
    # Held by whoever was first: the worker that began it, or the loop that cancelled it in the queue.
    begun: threading.Lock = field(default_factory=threading.Lock)


@final
class Board:
    """The jobs of one server. Every method is called on the event loop, and only there."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._tasks: OrderedDict[int, Task] = OrderedDict()
        self._queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._followers: set[asyncio.Queue[Message | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel everything and wait until the worker has put the model down."""
        for task in self._tasks.values():
            if task.cancellable:
                task.stop.set()
        self._queue.put(None)
        for follower in self._followers:
            follower.put_nowait(None)
        if self._thread is not None:
            self._thread.join()

    def add(self, kind: wire.Kind, request: dict[str, Any], work: Work, cancellable: bool = True) -> wire.Job:
        """Put a job at the end of the queue; raises BusyError where too many wait."""
        if sum(old.shown.state == "queued" for old in self._tasks.values()) >= QUEUED:
            raise BusyError(f"{QUEUED} jobs are waiting already: ask again in a moment.")
        number = next(self._numbers)
        job = wire.Job(id=number, kind=kind, state="queued", request=request, at=now(), ends=True)
        task = self._tasks[number] = Task(job, work, cancellable)
        over = [key for key, old in self._tasks.items() if old.shown.state not in ("queued", "running")]
        for key in over[: max(0, len(self._tasks) - KEPT)]:
            del self._tasks[key]
        self._tell_state(task)
        self._queue.put(task)
        return job

    def cancel(self, number: int) -> bool:
        """Ask a job to end; False where it is over, or writes to the ledger and cannot be."""
        task = self._tasks.get(number)
        if task is None or not task.shown.ends:
            return False
        if task.begun.acquire(blocking=False):
            self._end(task, "cancelled")
        elif task.cancellable:
            task.stop.set()
        return task.cancellable or task.shown.state == "cancelled"

    def job(self, number: int) -> wire.Job | None:
        """A job by its number."""
        task = self._tasks.get(number)
        return None if task is None else task.shown

    def jobs(self) -> list[wire.Job]:
        """Every job that is remembered, oldest first; the results are of the newest ones only."""
        shown = [task.shown for task in self._tasks.values()]
        return [job.model_copy(update={"result": None}) for job in shown[:-WHOLE]] + shown[-WHOLE:]

    def require_seat(self) -> None:
        """Raise BusyError where as many followers listen as may."""
        if len(self._followers) >= FOLLOWERS:
            raise BusyError(f"{FOLLOWERS} streams of events are open already: close one, or ask again later.")

    def tell(self, message: Message) -> None:
        """Tell every follower something."""
        for follower in list(self._followers):
            if follower.qsize() >= BEHIND:
                self._followers.discard(follower)
                follower.put_nowait(None)
            else:
                follower.put_nowait(message)

    def tell_from_worker(self, message: Message) -> None:
        """Tell every follower something, from the worker's thread."""
        self._later(self.tell, message)

    async def follow(self, beginning: Callable[[], Message], pause: float) -> AsyncGenerator[Message | None]:
        """The beginning, made when the follower is in its place, then every message; None after a pause of silence."""
        follower: asyncio.Queue[Message | None] = asyncio.Queue()
        self._followers.add(follower)
        try:
            yield beginning()
            while True:
                try:
                    message = await asyncio.wait_for(follower.get(), pause)
                except TimeoutError:
                    yield None
                    continue
                if message is None:
                    return
                yield message
        finally:
            self._followers.discard(follower)

    def _tell_state(self, task: Task) -> None:
        self.tell({"type": "job", "job": task.shown.model_dump()})

    def _set(self, task: Task, **values: Any) -> None:
        task.shown = task.shown.model_copy(update=values)

    def _end(self, task: Task, state: wire.State, **values: Any) -> None:
        self._set(task, state=state, ends=False, progress=None, **values)
        self._tell_state(task)

    def _later(self, call: Callable[..., None], *values: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:  # the loop has closed: nobody is left to hear it
            return

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if task.begun.acquire(blocking=False):
                self._later(self._run_shown, task)
                self._later(self._end_with, task, *self._result(task))

    def _run_shown(self, task: Task) -> None:
        if task.shown.state == "queued":
            self._set(task, state="running", ends=task.cancellable)
            self._tell_state(task)

    def _end_with(self, task: Task, state: wire.State, values: dict[str, Any]) -> None:
        if task.shown.state in ("queued", "running"):
            self._end(task, state, **values)

    def _result(self, task: Task) -> tuple[wire.State, dict[str, Any]]:
        """The work itself, on the worker's thread."""
        try:
            return "done", {"result": task.work(_Voice(self, task), task.shown.id)}
        except StoppedError:
            return "cancelled", {}
        except ConflictError as error:
            return "failed", {"error": str(error), "conflicts": list(error.ids)}
        except ErrataError as error:
            return "failed", {"error": str(error)}
        except Exception as error:  # a job that breaks must not take the worker with it
            return "failed", {"error": f"Unexpected: {type(error).__name__}: {error}"}

    def heard(self, task: Task, progress: wire.Progress | None, piece: str) -> None:
        """Keep and pass on what a job says."""
        if task.shown.state != "running":
            return
        message: Message = {"type": "step", "id": task.shown.id, "progress": None, "text": piece}
        if progress is not None:
            self._set(task, progress=progress)
            message["progress"] = progress.model_dump()
        if piece:
            self._set(task, text=task.shown.text + piece)
        self.tell(message)

    def heard_from_worker(self, task: Task, progress: wire.Progress | None, piece: str) -> None:
        """The same, from the worker's thread."""
        self._later(self.heard, task, progress, piece)


@final
class _Voice:
    """Speaks for one job from the worker's thread."""

    def __init__(self, board: Board, task: Task) -> None:
        self._board, self._task = board, task

    def progress(self, what: str, done: int, total: int) -> None:
        self.check()
        self._board.heard_from_worker(self._task, wire.Progress(what=what, done=done, total=total), "")

    def text(self, piece: str) -> None:
        self.check()
        self._board.heard_from_worker(self._task, None, piece)

    def check(self) -> None:
        if self._task.cancellable and self._task.stop.is_set():
            raise StoppedError

"""Jobs: one at a time, told as they go, and cancelled without a trace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errata.desk import Desk
from errata.model.hooks import count_hooks
from errata.model.view import ModelView
from errata.web import wire
from errata.web.jobs import BEHIND, KEPT, Board, StoppedError
from errata.web.studio import Studio
from tests.ledger.conftest import bits, equal
from tests.web.conftest import FACT


class Impatient:
    """Stops a piece of work when it has looked that often, and counts what it is told."""

    def __init__(self, looks: int) -> None:
        self.looks, self.steps = looks, 0

    def progress(self, what: str, done: int, total: int) -> None:
        self.steps += 1
        self.check()

    def text(self, piece: str) -> None:
        self.check()

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise StoppedError


@pytest.mark.parametrize("method", ["ft_l", "rome", "neuron_values"])
@pytest.mark.parametrize("looks", [0, 1, 3, 8, 20])
def test_a_cancelled_preview_leaves_everything_as_it_was(
    tiny: Callable[..., ModelView], tmp_path: Path, method: str, looks: int
) -> None:
    view = tiny("gpt2")
    before = bits(view)
    studio = Studio(Desk(view, tmp_path / "corrections"), lambda _: None)
    teller = Impatient(looks)
    with pytest.raises(StoppedError):
        studio.preview(teller, wire.Preview(**FACT, method=method), 1)
    assert equal(bits(view), before) and count_hooks(view.model) == 0
    assert not view.model.training and not (tmp_path / "corrections").exists()


def on_board(story: Callable[[Board], Any]) -> None:
    async def run() -> None:
        board = Board()
        board.start()
        try:
            await asyncio.wait_for(story(board), 20)
        finally:
            board.stop()

    asyncio.run(run())


async def over(board: Board, number: int) -> wire.Job:
    while (job := board.job(number)) and job.state in ("queued", "running"):
        await asyncio.sleep(0.005)
    assert job is not None
    return job


async def running(board: Board, number: int) -> None:
    while (job := board.job(number)) and job.state == "queued":
        await asyncio.sleep(0.005)


def waiting(free: threading.Event) -> Callable[..., dict[str, Any]]:
    def work(tell: Any, _: int) -> dict[str, Any]:
        while not free.wait(0.005):
            tell.progress("waiting", 1, 2)
        return {"free": True}

    return work


def test_jobs_run_one_after_the_other_and_each_can_be_cancelled() -> None:
    async def story(board: Board) -> None:
        free = threading.Event()
        first = board.add("ask", {}, waiting(free))
        second, third = (board.add("ask", {}, lambda _, number: {"number": number}) for _ in range(2))
        await running(board, first.id)
        assert [job.state for job in board.jobs()] == ["running", "queued", "queued"]
        assert board.cancel(second.id)
        assert board.cancel(first.id) and (await over(board, first.id)).state == "cancelled"
        assert (await over(board, third.id)).result == {"number": third.id}
        assert (await over(board, second.id)).state == "cancelled"
        assert not board.cancel(third.id) and not board.cancel(99)

    on_board(story)


def test_what_writes_runs_to_its_end_once_it_has_begun() -> None:
    async def story(board: Board) -> None:
        free = threading.Event()
        job = board.add("commit", {}, waiting(free), cancellable=False)
        later = board.add("undo", {}, lambda _, __: {}, cancellable=False)
        await running(board, job.id)
        assert not board.cancel(job.id)
        assert board.cancel(later.id)  # it has not begun
        free.set()
        assert (await over(board, job.id)).result == {"free": True}
        assert (await over(board, later.id)).state == "cancelled"

    on_board(story)


def test_a_job_that_breaks_is_told_and_the_next_one_runs() -> None:
    async def story(board: Board) -> None:
        def breaks(_: Any, __: int) -> dict[str, Any]:
            raise ZeroDivisionError("no")

        broken, sound = board.add("ask", {}, breaks), board.add("ask", {}, lambda _, __: {})
        found = await over(board, broken.id)
        assert found.state == "failed" and found.error == "Unexpected: ZeroDivisionError: no"
        assert (await over(board, sound.id)).state == "done"

    on_board(story)


def test_followers_begin_with_all_there_is_and_hear_the_rest() -> None:
    async def story(board: Board) -> None:
        done = await over(board, board.add("ask", {}, lambda _, __: {}).id)
        messages = board.follow(lambda: {"jobs": [job.id for job in board.jobs()]}, 0.05)
        assert await anext(messages) == {"jobs": [done.id]}
        assert await anext(messages) is None  # silence
        board.tell({"type": "ledger"})
        assert await anext(messages) == {"type": "ledger"}
        for _ in range(BEHIND + 1):
            board.tell({"type": "ledger"})
        assert len([message async for message in messages]) == BEHIND  # and then it is let go

    on_board(story)


def test_old_jobs_are_forgotten() -> None:
    async def story(board: Board) -> None:
        numbers: list[int] = []
        for _ in range(KEPT + 10):
            numbers.append(board.add("ask", {}, lambda _, __: {}).id)
            await over(board, numbers[-1])
        board.add("ask", {}, lambda _, __: {})
        assert len(board.jobs()) <= KEPT + 1 and board.job(numbers[0]) is None
        assert board.jobs()[-2].result == {} and board.jobs()[0].result is None
        assert (kept := board.job(board.jobs()[0].id)) is not None and kept.result == {}

    on_board(story)

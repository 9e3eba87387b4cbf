"""Routes that only read what the event loop holds: they answer at once, whatever the worker does."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse

from errata import registry
from errata.datasets import pocket
from errata.datasets.pocket_probes import complete
from errata.web import wire
from errata.web.jobs import Board, Message
from errata.web.studio import LedgerState, Studio, case_of, case_row

SILENCE = 15.0  # seconds after which a stream shows that it lives
TICK = 0.5  # seconds after which it looks whether the server ends
EXAMPLES = 12
ALIVE = {"type": "alive"}
EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Server-sent events, one JSON object each."}
}


def ledger_message(state: LedgerState) -> Message:
    """What followers hear when the ledger has changed."""
    return {"type": "ledger", "revision": state.revision, "applied": state.applied}


def router(studio: Studio, board: Board, instance: str, ending: Callable[[], bool]) -> APIRouter:
    """The routes under /api that read; streams are over when the server is `ending`."""
    routes = APIRouter(prefix="/api", tags=["read"], responses=wire.REFUSALS)

    def snapshot() -> wire.Snapshot:
        state = studio.state
        return wire.Snapshot(
            instance=instance, model=studio.model, revision=state.revision, applied=state.applied, jobs=board.jobs()
        )

    @routes.get("/health", summary="Whether the server lives")
    async def health() -> wire.Health:
        return wire.Health(instance=instance)

    @routes.get("/state", summary="Model, ledger's revision and jobs: all that a page begins with")
    async def state() -> wire.Snapshot:
        return snapshot()

    @routes.get(
        "/events", summary="Everything that happens, as server-sent events", responses=EVENT_STREAM, response_model=None
    )
    async def events(job: int | None = None) -> StreamingResponse:
        """First `state`, the whole snapshot; then `job` (a job's new state), `step` (progress or text), `ledger`,
        and `alive` where nothing happens.

        With `job` only that job's messages, up to its end.
        """
        if job is not None and board.job(job) is None:
            raise HTTPException(404, f"There is no job {job}.")
        board.require_seat()
        beginning = lambda: {"type": "state", **snapshot().model_dump()}  # noqa: E731
        messages = board.follow(beginning, TICK) if job is None else _of_one(board, job)
        return StreamingResponse(
            _lines(messages, ending), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    @routes.get("/jobs", summary="The jobs that are remembered, oldest first")
    async def jobs() -> list[wire.Job]:
        return board.jobs()

    @routes.get("/jobs/{number}", summary="One job, with its result once it is done")
    async def job(number: int) -> wire.Job:
        return _known(board, number)

    @routes.post("/jobs/{number}/cancel", summary="End a job: model and ledger stay as they are")
    async def cancel(number: int) -> wire.Job:
        """A job that writes to the ledger is short, and cannot be cancelled once it has begun (409)."""
        _known(board, number)
        if not board.cancel(number):
            raise HTTPException(409, f"Job {number} is over, or writes to the ledger: it cannot be cancelled.")
        return _known(board, number)

    @routes.get("/ledger", summary="The ledger's newest edits and events, newest first")
    async def ledger(most: Annotated[int, Query(ge=1, le=1000)] = 200) -> wire.LedgerOf:
        found = studio.state
        return wire.LedgerOf(
            revision=found.revision,
            total=len(found.entries),
            applied=found.applied,
            entries=[wire.EntryOf.model_validate(asdict(entry)) for entry in reversed(found.entries[-most:])],
            events=[wire.EventOf.model_validate(asdict(event)) for event in reversed(found.events[-most:])],
        )

    @routes.get("/methods", summary="Names of the localizers and editors")
    async def methods() -> wire.Methods:
        return wire.Methods(localizers=registry.names("errata.localizers"), editors=registry.names("errata.editors"))

    @routes.get("/examples", summary="Facts that an embedded model knows; none for other models")
    async def examples() -> list[wire.Example]:
        return _examples(studio.model.name)

    @routes.post("/case", summary="What the embedded facts know of this one: relation, paraphrases, neighbours")
    async def case(asked: wire.CaseOf) -> wire.CaseOf:
        return case_row(complete(case_of(asked), studio.model.name))

    return routes


def _known(board: Board, number: int) -> wire.Job:
    found = board.job(number)
    if found is None:
        raise HTTPException(404, f"There is no job {number}.")
    return found


async def _of_one(board: Board, number: int) -> AsyncGenerator[Message | None]:
    def beginning() -> Message:
        found = board.job(number)
        return {"type": "job", "job": None if found is None else found.model_dump()}

    async for message in board.follow(beginning, TICK):
        own: Any = message if message is None else message.get("id", (message.get("job") or {}).get("id"))
        if message is None or own == number:
            yield message
        if message is not None and message["type"] == "job" and own == number and _over(message["job"]):
            return


def _over(job: dict[str, Any]) -> bool:
    return job["state"] not in ("queued", "running")


async def _lines(messages: AsyncGenerator[Message | None], ending: Callable[[], bool]) -> AsyncGenerator[str]:
    silent = 0.0
    async for message in messages:
        if ending():
            return
        silent = silent + TICK if message is None else 0.0
        if message is not None or silent >= SILENCE:
            silent = 0.0
            yield f"data: {json.dumps(message or ALIVE, ensure_ascii=False)}\n\n"


def _examples(model: str) -> list[wire.Example]:
    if not model.startswith("pocket-"):
        return []
    kind = model.removeprefix("pocket-")
    cases = pocket.cases(kind, EXAMPLES, neighbours=0)
    random.Random(0).shuffle(cases)
    return [
        wire.Example(
            subject=case.fact.subject,
            prompt=case.fact.text,
            answer=case.fact.answer or "",
            target=case.fact.target or "",
        )
        for case in cases
    ]

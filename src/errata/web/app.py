"""The application: the routes behind the guard, one board of jobs, one studio, and the page's files."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request

from errata.desk import Desk
from errata.errors import ErrataError
from errata.web import asking, changing, reading
from errata.web.guard import Door, Guard, refusal
from errata.web.jobs import Board, BusyError
from errata.web.studio import Studio

STATIC = Path(__file__).parent / "static"
RETRY_AFTER = 1  # seconds
BEARER = HTTPBearer(auto_error=False, description="The token, where one is asked for; the guard looks at it.")


def create_app(desk: Desk, door: Door | None = None, ending: Callable[[], bool] = lambda: False) -> FastAPI:
    """The application for a desk, which it closes when it ends; by default for this machine alone.

    `ending` says whether the server is about to end: open streams, which it waits for, are then over.

    Example: `uvicorn.run(create_app(Desk(errata.load("pocket-gelu"), Path("corrections"))))`
    """
    door = door or Door()
    board = Board()
    studio = Studio(desk, lambda state: board.tell_from_worker(reading.ledger_message(state)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        board.start()
        try:
            yield
        finally:
            board.stop()
            studio.close()

    app = FastAPI(
        title="Errata",
        version=version("errata-lm"),
        summary="Find, correct, prove and take back facts in a language model's weights.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        middleware=[Middleware(Guard, door=door)],
        redirect_slashes=False,
        dependencies=[Security(BEARER)] if door.token else [],
        exception_handlers={
            RequestValidationError: _invalid,
            ErrataError: _refused,
            HTTPException: _refused,
            BusyError: _busy,
        },
    )
    app.include_router(reading.router(studio, board, secrets.token_hex(8), ending))
    app.include_router(asking.router(studio, board))
    app.include_router(changing.router(studio, board))

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:  # pyright: ignore[reportUnusedFunction]
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return refusal(422, f"{place}: {first['msg']}.")


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return refusal(error.status_code, error.detail, error.headers)
    return refusal(422, str(error))


async def _busy(_request: Request, error: Exception) -> Response:
    return refusal(429, str(error), {"retry-after": str(RETRY_AFTER)})

"""The application: the routes behind the guard, one board of jobs, one studio, and the page's files."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request

from errata.desk import Desk
from errata.errors import ErrataError
from errata.web import asking, changing, reading
from errata.web.guard import Door, Guard
from errata.web.jobs import Board
from errata.web.studio import Studio

STATIC = Path(__file__).parent / "static"


def create_app(desk: Desk, door: Door | None = None, ending: Callable[[], bool] = lambda: False) -> FastAPI:
    """The application for a desk, which it closes when it ends; by default for this machine alone.

    `ending` says whether the server is about to end: open streams, which it waits for, are then over.

    Example: `uvicorn.run(create_app(Desk(errata.load("pocket-gelu"), Path("corrections"))))`
    """
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
        middleware=[Middleware(Guard, door=door or Door())],
        exception_handlers={RequestValidationError: _invalid, ErrataError: _refused, HTTPException: _refused},
    )
    app.include_router(reading.router(studio, board, secrets.token_hex(8), ending))
    app.include_router(asking.router(studio, board))
    app.include_router(changing.router(studio, board))

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:  # pyright: ignore[reportUnusedFunction]
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return JSONResponse({"error": f"{place}: {first['msg']}."}, 422)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    return JSONResponse({"error": str(error)}, 422)

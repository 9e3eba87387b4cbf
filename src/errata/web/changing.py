"""Routes that change the ledger: short jobs that run to their end once they have begun."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from errata.web import wire
from errata.web.jobs import Board
from errata.web.studio import Studio

Edit = Annotated[wire.Number, Path(description="The edit's number in the ledger.")]


def router(studio: Studio, board: Board) -> APIRouter:
    """The routes under /api that write; each answers at once with its job."""
    routes = APIRouter(prefix="/api", tags=["change"], responses=wire.REFUSALS)

    @routes.post("/commit", status_code=202, summary="Write a preview to the ledger and the weights")
    async def commit(asked: wire.Commit) -> wire.Job:
        """Fails where the ledger has changed since the preview, and where checks got worse without a word about it."""
        return board.add("commit", asked.model_dump(), lambda _, __: studio.commit(asked), cancellable=False)

    @routes.post("/ledger/undo-to", status_code=202, summary="Take out every edit behind one")
    async def undo_to(asked: wire.UndoTo) -> wire.Job:
        return board.add("undo", asked.model_dump(), lambda _, __: studio.undo_to(asked), cancellable=False)

    @routes.post("/ledger/{edit}/undo", status_code=202, summary="Take an edit out of the weights, bit for bit")
    async def undo(edit: Edit) -> wire.Job:
        return board.add("undo", {"edit": edit}, lambda _, __: studio.undo(edit), cancellable=False)

    @routes.post("/ledger/{edit}/redo", status_code=202, summary="Put an undone edit back at its place")
    async def redo(edit: Edit) -> wire.Job:
        return board.add("redo", {"edit": edit}, lambda _, __: studio.redo(edit), cancellable=False)

    return routes

"""Routes that put work on the model into the queue and change nothing: each can be cancelled at any time."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from errata.web import wire
from errata.web.jobs import Board
from errata.web.studio import Studio

FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}, "text/html": {}}, "description": "The file, as a download."}
}


def router(studio: Studio, board: Board) -> APIRouter:
    """The routes under /api that ask; each answers at once with its job."""
    routes = APIRouter(prefix="/api", tags=["ask"], responses=wire.REFUSALS)

    @routes.post("/ask", status_code=202, summary="Let the model continue a text, with neurons changed if you like")
    async def ask(asked: wire.Ask) -> wire.Job:
        return board.add("ask", asked.model_dump(), lambda tell, _: studio.ask(tell, asked))

    @routes.post("/locate", status_code=202, summary="Score every neuron for an answer")
    async def locate(asked: wire.Locate) -> wire.Job:
        return board.add("locate", asked.model_dump(), lambda tell, _: studio.locate(tell, asked))

    @routes.post("/neuron", status_code=202, summary="The tokens that a neuron promotes")
    async def neuron(asked: wire.NeuronAt) -> wire.Job:
        return board.add("neuron", asked.model_dump(), lambda tell, _: studio.neuron(tell, asked))

    @routes.post("/preview", status_code=202, summary="Compute a correction and what it changes; nothing is written")
    async def preview(asked: wire.Preview) -> wire.Job:
        return board.add("preview", asked.model_dump(), lambda tell, number: studio.preview(tell, asked, number))

    @routes.post("/compare", status_code=202, summary="Answers without the corrections and with them")
    async def compare(asked: wire.Compare) -> wire.Job:
        return board.add("compare", asked.model_dump(), lambda tell, _: studio.compare(tell, asked))

    @routes.post("/diff", status_code=202, summary="What edits change in the weights, layer by layer")
    async def diff(asked: wire.Diff) -> wire.Job:
        return board.add("diff", asked.model_dump(), lambda tell, _: studio.diff(tell, asked))

    @routes.post("/export", status_code=202, summary="Write the applied corrections to a file to download")
    async def export(asked: wire.Export) -> wire.Job:
        return board.add("export", asked.model_dump(), lambda tell, number: studio.export(tell, asked, number))

    @routes.get("/exports/{job}", summary="The file that an export wrote", response_class=FileResponse, responses=FILES)
    async def exported(job: int) -> FileResponse:
        """A zip of an adapter or of merged weights, or an HTML page; the newest few are kept."""
        found = studio.shelf.find(job)
        if found is None:
            raise HTTPException(404, f"There is no file of job {job} any more: export again.")
        return FileResponse(found, filename=found.name)

    return routes

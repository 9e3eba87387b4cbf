"""What the page's tests share: a server of a tiny model in this process, and jobs followed to their end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from errata.desk import Desk
from errata.model.view import ModelView
from errata.web.app import create_app
from errata.web.guard import Door

HERE = "http://127.0.0.1:8420"
FACT = {"subject": "France", "prompt": "The capital of {} is", "target": "Rome"}


@dataclass(frozen=True)
class Served:
    """A client of the page's server, and the model it serves."""

    client: TestClient
    view: ModelView
    ledger: Path

    def work(self, path: str, **body: Any) -> dict[str, Any]:
        """The job that a route makes, at its end."""
        answer = self.client.post(f"/api/{path}", json=body)
        assert answer.status_code == 202, answer.text
        return self.follow(answer.json()["id"])[-1]["job"]

    def result(self, path: str, **body: Any) -> dict[str, Any]:
        """The result of a job that is done."""
        job = self.work(path, **body)
        assert job["state"] == "done", job
        return job["result"]

    def follow(self, number: int) -> list[dict[str, Any]]:
        """All that is told of a job until it ends."""
        with self.client.stream("GET", f"/api/events?job={number}") as lines:
            return [json.loads(line[6:]) for line in lines.iter_lines() if line.startswith("data: ")]


Serve = Callable[..., Served]


@pytest.fixture
def serve(tiny: Callable[..., ModelView], tmp_path: Path) -> Iterator[Serve]:
    """`serve(token=None)`: a tiny GPT-2 behind its routes, its ledger in `corrections`, which is not there yet."""
    clients: list[TestClient] = []

    def serves(door: Door | None = None, base: str = HERE) -> Served:
        view = tiny("gpt2")
        client = TestClient(create_app(Desk(view, tmp_path / "corrections"), door), base_url=base)
        clients.append(client.__enter__())
        return Served(client, view, tmp_path / "corrections")

    yield serves
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def served(serve: Serve) -> Served:
    """A server without a token, as this machine sees it."""
    return serve()

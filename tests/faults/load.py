"""Load for a server, from a process of its own: requests at a steady rate, with corrections made in between.

    python -m tests.faults.load PORT RATE SECONDS

It prints one JSON object: how many requests were sent, each status by the kind of request, what was refused without
reason, what was never answered, how long answers took, and what the server has said of every edit.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Any

HANGS = 60.0  # seconds after which an answer is taken for one that never comes
FRESH = 3.0  # seconds for which an idle connection is used again; the server closes it after five
AT_ONCE = 300  # connections
PROMPT = {"prompt": "The capital of France is", "tokens": 2}
# Method, path, body and the statuses that are right; 429 is right for each.
ASK = ("POST", "/api/ask", PROMPT, {202})
READS: list[tuple[str, str, Any, set[int]]] = [
    ("GET", "/api/health", None, {200}),
    ("GET", "/api/state", None, {200}),
    ("GET", "/api/ledger?most=20", None, {200}),
    ("GET", "/api/jobs", None, {200}),
    ("GET", "/", None, {200}),
    ("GET", "/static/js/store.js", None, {200}),
    ("GET", "/api/methods", None, {200}),
    ("GET", "/api/jobs/999999999", None, {404}),
    ("POST", "/api/ask", {"prompt": ""}, {422}),
    ("POST", "/api/case", {"subject": "France", "prompt": "The capital of {} is", "target": "Rome"}, {200}),
]
MIX = [ASK, *READS[:5], ASK, *READS[5:], *READS[:7]]


class Client:
    """Requests to one server over connections that are used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes, float]:
        """Status, body, and the seconds that a refusal asks to wait; raises OSError where none comes."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\ncontent-type: application/json\r\n"
        async with self._room, asyncio.timeout(HANGS):
            reader, writer = await self._connection()
            try:
                writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
                named = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
                found = await reader.readexactly(int(named["content-length"]))
            except BaseException:
                writer.close()
                raise
            if named.get("connection") == "close":
                writer.close()
            else:
                self._idle.append((time.monotonic(), reader, writer))
        return int(lines[0].split()[1]), found, float(named.get("retry-after", 0))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < FRESH and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


class Editing:
    """One person who corrects, takes back and puts back, and remembers what the server has said of it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.applied: dict[int, bool] = {}  # by edit: what was acknowledged last
        self.unknown = 0  # changes whose outcome was not heard
        self.done: Counter[str] = Counter()

    async def work(self, until: float) -> None:
        place = 0
        while time.monotonic() < until:
            place += 1
            fact = {"subject": f"Country {place}", "prompt": "The capital of {} is", "target": "Rome", "method": "ft_l"}
            made = await self._job("preview", fact)
            if made is None or made["state"] != "done":
                continue
            made = await self._job("commit", {"preview": made["id"], "despite_doubts": True})
            if made is None or made["state"] != "done":
                self.unknown += made is None
                continue
            number = made["result"]["edit"]
            self._heard(number, True, "commit")
            if place % 2 == 0:
                await self._change(number, "undo", False)
            if place % 4 == 0:
                await self._change(number, "redo", True)

    async def _change(self, number: int, verb: str, applied: bool) -> None:
        made = await self._job(f"ledger/{number}/{verb}", None)
        if made is None or made["state"] != "done":
            self.unknown += made is None
            return
        self._heard(number, applied, verb)

    def _heard(self, number: int, applied: bool, verb: str) -> None:
        self.applied[number] = applied
        self.done[verb] += 1

    async def _job(self, path: str, body: Any) -> dict[str, Any] | None:
        """A job at its end; asked for again while the server is busy; None where its end was not heard."""
        while True:
            status, found, pause = await self._client.ask("POST", f"/api/{path}", body)
            if status != 429:
                break
            self.done["429"] += 1
            await asyncio.sleep(pause / 10)
        assert status == 202, (path, status, found)
        number = json.loads(found)["id"]
        while True:
            status, found, _ = await self._client.ask("GET", f"/api/jobs/{number}")
            if status == 404:
                return None
            if status == 200 and (job := json.loads(found))["state"] not in ("queued", "running"):
                return job
            await asyncio.sleep(0.05)


async def load(port: int, rate: float, seconds: float) -> dict[str, Any]:
    """Ask, and correct meanwhile."""
    client, editing = Client(port), Editing(Client(port))
    statuses: Counter[str] = Counter()
    wrong: list[str] = []
    took: list[float] = []
    unanswered: list[str] = []

    async def one(method: str, path: str, body: Any, right: set[int]) -> None:
        begun = time.monotonic()
        try:
            status, found, _ = await client.ask(method, path, body)
        except (OSError, asyncio.IncompleteReadError) as error:  # TimeoutError is an OSError
            unanswered.append(f"{method} {path}: {type(error).__name__}: {error}")
            return
        took.append(time.monotonic() - begun)
        statuses[str(status)] += 1
        if status not in right | {429}:
            wrong.append(f"{method} {path}: {status} {found[:200]!r}")

    begun = time.monotonic()
    person = asyncio.create_task(editing.work(begun + seconds))
    asked: set[asyncio.Task[None]] = set()
    for place in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + place / rate - time.monotonic()))
        asked.add(asyncio.create_task(one(*MIX[place % len(MIX)])))
    sending = time.monotonic() - begun
    await asyncio.gather(*asked)
    whole = time.monotonic() - begun
    with suppress(TimeoutError):
        async with asyncio.timeout(HANGS):
            await person
    return {
        "sent": len(asked),
        "statuses": dict(statuses),
        "wrong": wrong[:20],
        "unanswered": unanswered[:20],
        "sending_seconds": round(sending, 2),
        "seconds": round(whole, 2),
        "median_ms": round(1000 * statistics.median(took), 1),
        "p99_ms": round(1000 * statistics.quantiles(took, n=100)[98], 1),
        "longest_ms": round(1000 * max(took), 1),
        "edits": {str(number): applied for number, applied in editing.applied.items()},
        "unknown": editing.unknown,
        "done": dict(editing.done),
        "person": repr(person.exception()) if person.done() and person.exception() else None,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))

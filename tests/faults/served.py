"""A server of a tiny model in a process of its own, and sockets to speak to it with as no browser would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TOKEN = "a-secret-token-of-some-length"
SOON = 30.0  # seconds


@dataclass(frozen=True)
class Server:
    """A server's process and its port; what it printed is in `log`, once it has ended."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SOON)

    def send(self, request: bytes) -> bytes:
        """The whole answer to some bytes, up to the end of the connection."""
        with self.connect() as line:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may refuse before it has heard all
                line.sendall(request)
            return heard(line)

    def get(self, path: str, headers: str = "") -> tuple[int, bytes]:
        """Status and body of a GET whose path is sent as it is."""
        answer = self.send(
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nconnection: close\r\n{headers}\r\n".encode()
        )
        return status(answer), answer.partition(b"\r\n\r\n")[2]

    def post(self, path: str, body: object) -> tuple[int, bytes]:
        """Status and body of a POST."""
        content = json.dumps(body).encode()
        answer = self.send(
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode()
            + content
        )
        return status(answer), answer.partition(b"\r\n\r\n")[2]


def heard(line: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    found = b""
    with suppress(ConnectionResetError):
        while piece := line.recv(65536):
            found += piece
    return found


def status(answer: bytes) -> int:
    """The status of an answer; 0 of none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def until(true: Callable[[], bool], patience: float = SOON) -> None:
    """Wait until something is so; fail where it does not come."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def serving(model: Path, folder: Path, *words: str, **variables: str) -> Iterator[Server]:
    """A server with its ledger in `folder`/corrections; it must end soundly, and print no traceback."""
    command = ["serve", str(model), "--ledger", str(folder / "corrections"), "--port", "0", "--json", *words]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **variables}
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "errata.cli", *command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        try:
            assert process.stdout is not None
            told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            yield Server(process, int(told["url"].rstrip("/").rpartition(":")[2]), log)
        finally:
            process.terminate()
            code = process.wait(60)
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said and "Error" not in said, said
    assert code in (0, -15), (code, said)

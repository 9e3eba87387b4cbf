"""A fake OpenAI-compatible endpoint on this machine."""

import json
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch


def completion(text: str) -> bytes:
    """A chat completion that says this."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@dataclass
class Fake:
    """An endpoint on this machine that gives its answers in turn, the last one for ever, and keeps what it got.

    `refusals` are statuses of the first answers; `reply` says what the answer to a message is instead of `answers`.
    """

    url: str = ""
    status: int = 200
    answers: list[bytes] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    reply: Callable[[str], str] | None = None
    got: list[tuple[str, str | None, Any]] = field(default_factory=list)


@contextmanager
def endpoint() -> Generator[Fake, None, None]:
    """A fake endpoint while the `with` lasts."""
    state = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.got.append((self.path, self.headers["Authorization"], body))
            if state.reply is not None:
                answer = completion(state.reply(body["messages"][0]["content"]))
            else:
                answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            self.send_response(state.refusals.pop(0) if state.refusals else state.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with patch.dict(os.environ, {"no_proxy": "127.0.0.1"}):
            yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

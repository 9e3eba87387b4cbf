"""Connections: how many there may be, and how long one may say nothing.

uvicorn answers 503 where there are too many, and waits for ever for a client that never ends its request's head or
never reads an answer. Here the first is a 429 like every other "too much at once", and the others are cut off.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast, final

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from errata.web.guard import App

MOST = 256  # that are served at once
PATIENCE = 10.0  # seconds for the head of a request to come
UNREAD = 30.0  # seconds for which a client may read nothing of what it is sent
GRACE = 1.0  # seconds for a client that is one too many to say something and hear why not
_REASON = b'{"error":"Too many connections are open: close some, or ask again in a moment."}'
TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_REASON), _REASON)
)


def server_of(app: App) -> Server:
    """A server of an application: bounded, without web sockets, and with no log that an address could stand in."""
    made = cast("type[asyncio.Protocol]", Connections())
    return Server(Config(app, http=made, ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=5))


@final
class Connections:
    """The connections of one server: what uvicorn calls for each new one, as its `http`."""

    def __init__(self, most: int = MOST, patience: float = PATIENCE) -> None:
        self.most, self.patience = most, patience
        self.open = 0

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        """One more connection."""
        return Connection(self, H11Protocol(config, server_state, app_state, _loop))


@final
class Connection(asyncio.Protocol):
    """One connection: uvicorn's own protocol, or a short refusal where there are too many."""

    def __init__(self, all_of_them: Connections, inner: H11Protocol) -> None:
        self._all, self._inner = all_of_them, inner
        self._served = False
        self._end: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it in; one far too many is cut off at once, so that file handles are left for the ledger."""
        self._transport = cast(asyncio.Transport, transport)
        self._all.open += 1
        self._served = self._all.open <= self._all.most
        if self._all.open > 2 * self._all.most:
            self._transport.abort()
        elif self._served:
            _limit_unread(self._transport)
            self._inner.connection_made(self._transport)
            self._expect(self._all.patience)
        else:
            self._expect(GRACE)

    def data_received(self, data: bytes) -> None:
        """Pass on what the client says; between two requests it is to say the next one's head in time."""
        assert self._transport is not None
        if not self._served:
            self._transport.write(TOO_MANY)
            self._transport.close()
            return
        self._inner.data_received(data)
        cycle = cast(Any, self._inner.cycle)  # None before the first request
        if cycle is None or cycle.response_complete:
            self._expect(self._all.patience)
        else:
            self._expect(None)

    def eof_received(self) -> None:
        """The client has said all it will."""
        if self._served:
            self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._all.open -= 1
        self._expect(None)
        if self._served:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._inner.resume_writing()

    def _expect(self, seconds: float | None) -> None:
        """Cut the connection off unless something is expected of it no more, None, within this time."""
        if seconds is None:
            if self._end is not None:
                self._end.cancel()
            self._end = None
        elif self._end is None:
            assert self._transport is not None
            self._end = asyncio.get_running_loop().call_later(seconds, self._transport.abort)


def _limit_unread(transport: asyncio.Transport) -> None:
    """Let the system end a connection whose client acknowledges, or makes room for, nothing for UNREAD seconds."""
    found = transport.get_extra_info("socket")
    if found is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNREAD))

"""Who may speak to the server: its own page and its own machine, or whoever knows the token; and how much at once.

A page of another site can send requests to this server too. It is refused by its Origin; a name of its own that it has
pointed to this machine is refused by the Host.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response

from errata.errors import InputError

LARGEST = 64 << 10  # bytes of a request's body
LONGEST = 4 << 10  # bytes of its address
WIDEST = 16 << 10  # bytes of its headers
PATIENCE = 10.0  # seconds for its body to come
SHORTEST = 16  # characters of a token
COOKIE = "errata-token"
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
HEADERS = {
    "content-security-policy": POLICY + "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server listens, and the token that it asks for.

    Raises InputError for an address that others can reach without a token, and for a token that is short.
    """

    host: str = "127.0.0.1"
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and (len(self.token) < SHORTEST or not self.token.isascii()):
            raise InputError(f"The token is not {SHORTEST} ASCII characters or more: give a longer one.")
        if self.token is None and not self.local:
            raise InputError(
                f"The address {self.host} can be reached from other machines: give a token, which every client must "
                "know, with --token or in ERRATA_TOKEN."
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def knows(self, name: str) -> bool:
        """Whether a Host header names this server; where a token is asked for, any name may lead here."""
        return self.token is not None or name in LOCAL_NAMES | {self.host}

    def opens(self, token: str | None) -> bool:
        """Whether a token is the right one, or none is asked for."""
        if self.token is None:
            return True
        return token is not None and secrets.compare_digest(token.encode(), self.token.encode())


@final
class Guard:
    """Refuses what may not come in, before any route sees it."""

    def __init__(self, app: App, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = self._refusal(scope, Headers(scope=scope)) or await _read(receive)
        if isinstance(found, Response):
            await found(scope, receive, _adorned(send))
        elif found is not None:
            await self._app(scope, _again(found, receive), _adorned(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > LONGEST:
            return refusal(414, f"The address is longer than {LONGEST} bytes: send a shorter one.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > WIDEST:
            return refusal(431, f"The headers are longer than {WIDEST} bytes: send fewer.")
        host = headers.get("host", "")
        if not self._door.knows(_name(host)):
            return refusal(403, f"The host {host!r} is not this server: open it by the address it printed.")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            return refusal(403, f"A page of {origin} may not use this server: open the server's own page.")
        if origin is None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return refusal(403, "Another site may not use this server: open the server's own page.")
        return self._asked_for_token(scope, headers)

    def _asked_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
        if scope["path"] == "/" and given is not None and self._door.token and self._door.opens(given):
            # Out of the address bar and the history, into a cookie that no script and no other site can use.
            answer = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict", secure=scope["scheme"] == "https")
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._door.opens(bearer or _cookie(headers)):
            return None
        why = "A token is asked for: open the address with /?token=…, or send Authorization: Bearer …."
        return refusal(401, why, {"www-authenticate": "Bearer"})


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that is not done; what the client sent may stand in the reason as it is."""
    return JSONResponse({"error": reason.encode(errors="replace").decode()}, status, headers)


async def _read(receive: Receive) -> bytes | Response | None:
    """A request's body, or the reason why it is not read to its end; None where the client has gone."""
    found, more = b"", True
    try:
        async with asyncio.timeout(PATIENCE):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                found += message.get("body", b"")
                if len(found) > LARGEST:
                    return refusal(413, f"The request is longer than {LARGEST} bytes: send less.")
                more = message.get("more_body", False)
    except TimeoutError:
        return refusal(408, f"The request did not come within {PATIENCE:g} seconds: send it faster.")
    return found


def _again(body: bytes, receive: Receive) -> Receive:
    """The body, once more, and then what else the client does."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _adorned(send: Send) -> Send:
    async def adorned(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return adorned

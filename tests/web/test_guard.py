"""Who may come in: the server's own page and whoever knows the token."""

from __future__ import annotations

import pytest

from errata.errors import InputError
from errata.web.guard import LARGEST, Door
from tests.web.conftest import Serve, Served

TOKEN = "a-token-of-some-length"


def test_another_host_or_origin_is_refused(served: Served) -> None:
    get = served.client.get
    assert get("/api/state").status_code == 200
    assert get("/api/state", headers={"origin": "http://127.0.0.1:8420"}).status_code == 200
    assert get("/api/state", headers={"host": "localhost:8420"}).status_code == 200
    for headers in (
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
        {"host": "["},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
    ):
        refused = get("/api/state", headers=headers)
        assert refused.status_code == 403 and "error" in refused.json(), headers


def test_a_request_may_not_be_long(served: Served) -> None:
    whole = served.client.post("/api/ask", content=b"x" * (LARGEST + 1))
    assert whole.status_code == 413 and "longer" in whole.json()["error"]
    pieces = served.client.post("/api/ask", content=(b"x" * 1024 for _ in range(LARGEST // 1024 + 1)))
    assert pieces.status_code == 413


def test_other_addresses_need_a_token() -> None:
    for host in ("0.0.0.0", "192.168.1.2", "::", "example.org"):
        with pytest.raises(InputError, match="ERRATA_TOKEN"):
            Door(host)
        assert Door(host, TOKEN)
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.2"):
        assert Door(host)
    with pytest.raises(InputError, match="16 ASCII"):
        Door("127.0.0.1", "short")


def test_a_token_is_asked_for_everywhere(serve: Serve) -> None:
    client = serve(Door("0.0.0.0", TOKEN), "http://errata.example:8420").client
    for path in ("/", "/api/state", "/static/style.css", "/openapi.json", "/?token=another-token-of-length"):
        assert client.get(path).status_code == 401
    assert client.get("/api/state", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/api/state", headers={b"authorization": "Bearer ünïcode".encode()}).status_code == 401
    assert client.get(f"/api/state?token={TOKEN}").status_code == 401  # an address ends up in logs
    opened = client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert opened.status_code == 303 and opened.headers["location"] == "/"
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert client.get("/").status_code == 200 and client.get("/api/state").status_code == 200
    assert client.post("/api/ask", json={"prompt": "x"}, headers={"origin": "http://evil.example"}).status_code == 403

"""What a client may not do to the server: too much, too long, too slowly, or beside its workspace."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from errata.errors import InputError
from errata.web import connections, guard
from errata.web.guard import LARGEST, LONGEST, WIDEST, Door
from errata.web.jobs import FOLLOWERS, QUEUED
from tests.faults.conftest import Counted
from tests.faults.served import SOON, TOKEN, Server, heard, serving, status, until

pytest.importorskip("uvicorn", reason="the server needs uvicorn")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(model, tmp_path_factory.mktemp("served")) as found:
        yield found


def alive(server: Server) -> bool:
    return server.get("/api/health")[0] == 200


def test_other_addresses_need_a_token(counted: Counted) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(InputError, match="give a token"):
            Door(host)
    assert Door().local
    counted("requests refused as they should be", 4)


@pytest.mark.parametrize(
    "headers",
    [
        "host: attacker.example",  # a name of theirs that leads here: DNS rebinding
        "host: attacker.example:{port}",
        "host: 127.0.0.1.attacker.example",
        "host: 127.0.0.1@attacker.example",
        "host: ",
        "host: 127.0.0.1:{port}\r\norigin: http://attacker.example",
        "host: 127.0.0.1:{port}\r\norigin: null",
        "host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:1",
        "host: 127.0.0.1:{port}\r\norigin: http://localhost:{port}",
        "host: 127.0.0.1:{port}\r\nsec-fetch-site: cross-site",
        "host: 127.0.0.1:{port}\r\nsec-fetch-site: same-site",
    ],
)
def test_strangers_are_refused(server: Server, headers: str, counted: Counted) -> None:
    own = headers.format(port=server.port)
    for line in ("GET /api/state", "POST /api/ledger/undo-to", "GET /", "GET /static/style.css", "GET /openapi.json"):
        assert status(server.send(f"{line} HTTP/1.1\r\n{own}\r\nconnection: close\r\n\r\n".encode())) == 403, line
    counted("requests refused as they should be", 5)


BESIDE = (
    "/static/../wire.py",
    "/static/..%2f..%2fwire.py",
    "/static/%2e%2e/wire.py",
    "/static/%2e%2e%2fwire.py",
    "/static/..%5cwire.py",
    "/static/%252e%252e%252fwire.py",
    "/static/js/../../wire.py",
    "/static/js/..%2f..%2f..%2fwire.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/..%c0%af..%c0%afetc/passwd",
    "/static/style.css%00.py",
    "/static/%00",
    "/static/~root/.profile",
    "/static/file:///etc/passwd",
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/api/exports/..%2f..%2fetc%2fpasswd",
    "/api/exports/../jobs/1",
    "/api/exports/%2e%2e",
    "/api/exports/1/../../../etc/passwd",
    "/api/exports/1%00",
    "/api/exports/-1",
    "/api/exports/0",
    "/api/exports/99999999999999999999999999999999",
    "/api/jobs/..%2f..%2fstate",
    "/corrections/ledger.sqlite",
    "/api/ledger/../../corrections/ledger.sqlite",
)


def test_no_path_leads_out_of_the_workspace(server: Server, counted: Counted) -> None:
    for path in BESIDE:
        code, body = server.get(path)
        assert code in (400, 404, 422), (path, code)
        assert b"root:" not in body and b"import annotations" not in body, path
        assert "error" in json.loads(body), path
    for name in ("Model", "../../etc", "/etc/passwd", "peft/../../x"):
        assert server.post("/api/export", {"kind": name})[0] == 422
    counted("requests refused as they should be", len(BESIDE) + 4)


def test_what_is_too_long_is_refused(server: Server, counted: Counted) -> None:
    assert server.get("/api/state?" + "x" * LONGEST)[0] == 414
    assert server.get("/" + "x" * LONGEST)[0] == 414
    assert server.get("/api/state", f"x: {'x' * WIDEST}\r\n")[0] == 431
    assert server.get("/api/state", "".join(f"x{n}: {'x' * 90}\r\n" for n in range(200)))[0] == 431
    assert server.get("/api/state", f"x: {'x' * (1 << 20)}\r\n")[0] in (0, 400)  # before it has been read
    head = f"POST /api/ask HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nconnection: close\r\n"
    assert status(server.send(f"{head}content-length: {LARGEST + 1}\r\n\r\n".encode() + b"x" * (LARGEST + 1))) == 413
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    assert status(server.send(f"{head}transfer-encoding: chunked\r\n\r\n".encode() + 2 * chunk + b"0\r\n\r\n")) == 413
    assert alive(server)
    counted("requests refused as they should be", 7)


def test_what_is_no_http_is_refused(server: Server, counted: Counted) -> None:
    both = "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    for junk in (
        b"\x00" * 100 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        f"POST /api/ask HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-length: -1\r\n\r\n".encode(),
        f"POST /api/ask HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nconnection: close\r\n{both}".encode(),
    ):
        assert status(server.send(junk)) in (0, 400, 403, 422), junk
    upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n"
    with server.connect() as line:
        line.sendall(f"GET /api/events?job=1 HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n{upgrade}\r\n".encode())
        assert status(line.recv(4096)) == 404  # a plain answer to a plain GET: there are no web sockets
    assert alive(server)
    counted("requests refused as they should be", 9)


def test_a_full_queue_refuses_and_takes_again(server: Server, counted: Counted) -> None:
    """More jobs at once than may wait: each is taken, or refused with 429; the ones taken all end."""
    codes: list[int] = []
    numbers: list[int] = []
    content = json.dumps({"subject": "France", "prompt": "The capital of {} is", "answer": "Rome"}).encode()
    one = (
        f"POST /api/locate HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n".encode()
        + content
    )
    with ExitStack() as stack:
        lines = [stack.enter_context(server.connect()) for _ in range(2 * QUEUED + 40)]
        for line in lines:
            line.sendall(one)
        for line in lines:
            head, body = answered(line)
            codes.append(status(head))
            if codes[-1] == 202:
                numbers.append(json.loads(body)["id"])
            else:
                assert codes[-1] == 429 and b"retry-after: 1" in head.lower() and b"waiting already" in body
    assert 429 in codes and codes.count(202) >= QUEUED
    code, body = server.post("/api/ledger/undo-to", {"last": 0})  # work that writes waits in the same queue
    assert code in (202, 429)
    for number in numbers:
        assert server.post(f"/api/jobs/{number}/cancel", {})[0] in (200, 404, 409)
    until(lambda: not [one for one in json.loads(server.get("/api/jobs")[1]) if one["ends"]])
    shown = {one["id"]: one["state"] for one in json.loads(server.get("/api/jobs")[1])}
    assert {shown[number] for number in numbers if number in shown} <= {"done", "cancelled"}
    assert server.post("/api/ask", {"prompt": "The capital of France is", "tokens": 1})[0] == 202
    counted("requests answered 429 and taken later", codes.count(429))


def answered(line: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the next answer on a connection that stays."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += line.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += line.recv(65536)
    return head, body


def test_so_many_streams_and_no_more(server: Server, counted: Counted) -> None:
    get = f"GET /api/events HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    lines = [server.connect() for _ in range(FOLLOWERS + 5)]
    codes: list[int] = []
    for line in lines:
        line.sendall(get)
        codes.append(status(line.recv(4096)))
    assert codes == [200] * FOLLOWERS + [429] * 5
    assert alive(server)
    for line in lines:
        line.close()

    def seated() -> bool:
        with server.connect() as line:
            line.sendall(get)
            return status(line.recv(4096)) == 200

    until(seated)  # as soon as the server has noticed
    counted("requests answered 429 and taken later", 5)


@pytest.mark.faults
def test_so_many_connections_and_no_more(server: Server, counted: Counted) -> None:
    """Silent connections are cut off; while there are too many, others hear 429, and then the server goes on."""
    more = 2 * connections.MOST + 60
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < more + 200:
        pytest.skip("this process may not open so many connections")
    begun = time.monotonic()
    lines = [server.connect() for _ in range(more)]
    code, body = server.get("/api/health")
    assert code in (0, 429) and (not code or b"Too many connections" in body)
    cut = 0
    for line in lines:
        line.settimeout(connections.PATIENCE + SOON)
        cut += heard(line) == b""
        line.close()
    assert cut == more and time.monotonic() - begun < connections.PATIENCE + SOON
    assert alive(server)
    counted("silent connections cut off", more)


def test_half_a_request_is_cut_off(server: Server, counted: Counted) -> None:
    """A head that comes byte by byte, a second one on a connection that had been good, and a body that never comes."""
    good = f"GET /api/health HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    post = f"POST /api/ask HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-length: 9\r\n\r\n".encode()
    ends: dict[str, tuple[float, bytes]] = {}

    def drip(name: str, first: bytes, piece: bytes) -> None:
        with server.connect() as line:
            begun = time.monotonic()
            line.sendall(first)
            found = b""
            line.settimeout(0.5)
            while time.monotonic() - begun < 3 * guard.PATIENCE:
                try:
                    if not (more := line.recv(4096)):
                        break
                    found += more
                except TimeoutError:
                    pass
                except ConnectionError:
                    break
                try:
                    line.sendall(piece)
                except ConnectionError:
                    break
            ends[name] = time.monotonic() - begun, found

    threads = [
        threading.Thread(target=drip, args=arguments)
        for arguments in (
            ("head", b"GET /api/health HTTP/1.1\r\nhost: x", b"x"),
            ("second head", good + b"GET /", b"x"),
            ("body", post, b""),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: status(found) for name, (_, found) in ends.items()} == {"head": 0, "second head": 200, "body": 408}
    assert all(seconds < 2.5 * guard.PATIENCE for seconds, _ in ends.values()), ends
    counted("silent connections cut off", 3)


def test_the_token_is_in_nothing_that_is_written(model: Path, tmp_path: Path, counted: Counted) -> None:
    with serving(model, tmp_path, "--host", "0.0.0.0", ERRATA_TOKEN=TOKEN) as server:
        assert server.get("/api/state")[0] == 401
        assert server.get(f"/?token={TOKEN}")[0] == 303
        assert server.get(f"/api/state?token={TOKEN}")[0] == 401
        bearer = f"authorization: Bearer {TOKEN}\r\n"
        assert server.get("/api/state", bearer)[0] == 200
        for path in ("/", "/api/state", "/api/ledger", "/openapi.json", "/api/jobs/99", "/api/nothing"):
            assert TOKEN.encode() not in server.get(path, bearer)[1]
        server.get("/api/\x00nothing", bearer)
    for file in [server.log, *(path for path in tmp_path.rglob("*") if path.is_file())]:
        assert TOKEN.encode() not in file.read_bytes(), file
    counted("places without a secret", 8)


@pytest.mark.faults
@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux tells how long an answer may lie unread"
)
def test_who_reads_nothing_is_cut_off(server: Server, counted: Counted) -> None:
    """Requests one behind the other, and not one answer read: the server does not keep them for ever."""
    asked = 4000
    one = f"GET /static/style.css HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    size = len(server.get("/static/style.css")[1])
    with server.connect() as line:
        line.setblocking(False)
        waiting = memoryview(one * asked)
        deadline = time.monotonic() + 3 * connections.UNREAD
        while time.monotonic() < deadline:
            with suppress(BlockingIOError, ConnectionError):
                waiting = waiting[line.send(waiting) :]
            time.sleep(0.5)
        line.settimeout(SOON)
        assert len(heard(line)) < size * asked / 2
    assert alive(server)
    counted("silent connections cut off", 1)

"""An OpenAI-compatible endpoint: what is sent, what is tried again, and where the key is not."""

import pickle
import time
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from errata.endpoint import Endpoint
from errata.errors import InputError
from tests.endpoint import Fake, completion, endpoint


@pytest.fixture
def fake() -> Iterator[Fake]:
    with endpoint() as there:
        yield there


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_what_is_sent(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " secret ")
    fake.answers = [completion(" Yes. ")]
    asked = Endpoint(fake.url, "a-model", "MY_KEY", temperature=0.0)
    assert asked.ask("Is it?") == "Yes."
    sent = {"model": "a-model", "messages": [{"role": "user", "content": "Is it?"}], "temperature": 0.0}
    assert fake.got == [("/v1/chat/completions", "Bearer secret", sent)]


def test_the_key_is_held_nowhere(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    fake.status, fake.answers = 401, [b"{}"]
    asked = Endpoint(fake.url, "a-model", "MY_KEY", attempts=3)
    with pytest.raises(InputError, match="refuses \\(401 Unauthorized\\)") as caught:
        asked.ask("Hello")
    assert fake.got[0][1] == "Bearer secret" and len(fake.got) == 1
    assert "secret" not in f"{caught.value!r}{asked!r}{asdict(asked)}{asked.payload('Hello')}"
    assert b"secret" not in pickle.dumps(asked)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(InputError, match="refuses"):
        asked.ask("Hello")
    assert fake.got[1][1] is None


def test_busy_and_broken_endpoints_are_asked_again(fake: Fake, pauses: list[float]) -> None:
    fake.refusals, fake.answers = [429, 503], [completion("At last")]
    assert Endpoint(fake.url, "a-model", attempts=3, pause=0.5).ask("Hello") == "At last"
    assert len(fake.got) == 3 and pauses == [0.5, 1.0]
    fake.refusals = [500, 500]
    with pytest.raises(InputError, match="refuses \\(500"):
        Endpoint(fake.url, "a-model", attempts=2).ask("Hello")
    with pytest.raises(InputError, match="1 attempt or more, found 0"):
        Endpoint(fake.url, "a-model", attempts=0)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"choices": []}', completion("")[:-5], b"\xff"])
def test_an_answer_that_is_none(fake: Fake, answer: bytes) -> None:
    fake.answers = [answer]
    with pytest.raises(InputError, match="not with a chat completion"):
        Endpoint(fake.url, "a-model").ask("Hello")


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match="does not answer"):
        Endpoint("http://127.0.0.1:9/v1", "a-model", seconds=5.0).ask("Hello")


@pytest.mark.parametrize("url", ["", "localhost:8000", "file:///etc/hosts", "http://", "http://[/ v1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="is no endpoint"):
        Endpoint(url, "a-model")

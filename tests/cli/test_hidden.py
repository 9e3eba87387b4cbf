"""No secret in what is recorded of a command, and none is repeated where it was given by mistake."""

from __future__ import annotations

import sys

import pytest

from errata.cli.hidden import without_secrets
from errata.cli.measuring import command_line
from errata.endpoint import Endpoint
from errata.errors import InputError
from tests.cli.conftest import Run

SECRET = "hf_AbCdEfGhIjKlMnOpQrStUvWx"


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--token", SECRET],
        ["serve", f"--token={SECRET}"],
        ["evaluate", "--judge-url", f"https://me:{SECRET}@host/v1"],
        ["evaluate", "--judge-url", f"https://{SECRET}@host/v1"],
        ["evaluate", f"--judge-url=https://host/v1?api_key={SECRET}"],
        ["evaluate", "--text", f"notes-{SECRET}.txt"],
        ["push", "adapter", "me/it", "--message", f"with {SECRET}"],
    ],
)
@pytest.mark.parametrize("variable", ["HF_TOKEN", "MY_API_KEY", "openai_key", "DB_PASSWORD"])
def test_a_recorded_command_has_no_secret(words: list[str], variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, SECRET)
    monkeypatch.setattr(sys, "argv", ["errata", *words])
    assert SECRET not in command_line() and "***" in command_line()


def test_all_else_is_recorded_as_it_was() -> None:
    words = [
        "evaluate",
        "--model",
        "pocket-gelu",
        "--judge-url",
        "https://host/v1",
        "--judge-key-variable",
        "MY_KEY",
        "what?",
    ]
    assert without_secrets(words) == words


def test_a_key_in_place_of_its_name_is_not_repeated(run: Run) -> None:
    judge = ["--protocol", "judge", "--judge-url", "http://127.0.0.1:9/v1", "--judge-model", "m"]
    for key in (SECRET, "sk-AbCdEfGh", "abcdef0123456789"):
        refused = run("evaluate", "--cases", 1, *judge, "--judge-key-variable", key, "--json")
        assert refused.code == 2 and "name of one that is set" in refused.json["error"]
        assert key not in refused.out + refused.err


@pytest.mark.parametrize("url", [f"https://me:{SECRET}@host/v1", f"https://host/v1?api_key={SECRET}"])
def test_an_address_that_holds_a_secret_is_refused_without_it(url: str) -> None:
    with pytest.raises(InputError, match="without user and query") as caught:
        Endpoint(url, "a-model")
    assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match="never the key itself"):
        Endpoint("https://host/v1", "a-model", "sk-a-key")

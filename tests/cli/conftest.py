"""What the command's tests share: a tiny model in a folder, and `run`, the command in this process."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from errata.cli import main
from tests.tiny import tiny_model, tiny_tokenizer

# ROME, as small as it gets: these tests look at the command, not at how well the edit does.
QUICK = ["values.steps=2", "context_lengths=[2]", "covariance_tokens=100", "layer=1"]


@dataclass(frozen=True)
class Result:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value it is."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("ask", MODEL, …)`: the command's exit code and output."""

    def runs(*words: object) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return runs


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 and its tokenizer, saved."""
    path = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    tiny_model("gpt2").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tiny GPT-2: the same shape, other weights."""
    path = tmp_path_factory.mktemp("models") / "other-gpt2"
    tiny_model("gpt2", seed=1).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, a screen of 100 columns and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv("ERRATA_LEDGER", raising=False)
    return tmp_path


@pytest.fixture
def edit_options() -> list[str]:
    """Options of an edit that is computed quickly and written whatever it does."""
    settings = [word for pair in QUICK for word in ("--set", pair)]
    fact = ["--subject", "France", "--prompt", "The capital of {} is", "--target", "Rome"]
    return [*fact, "--neighbour", "The capital of Spain is=Madrid", *settings, "--yes"]


def listing(path: Path) -> dict[str, bytes]:
    """Every file below a directory with its bytes; a database's side files hold nothing of their own."""
    return {os.fspath(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}

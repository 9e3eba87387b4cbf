"""What the tests of bulk runs share: a tiny model in a folder, a file of prompts, and the files of a run as bytes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_model, tiny_tokenizer

COUNTRIES = ("France", "Italy", "Spain", "Germany", "London", "Warsaw")
PHRASINGS = ("The capital of {} is", "{} is in", "The mother tongue of {} is", "The tower of {} was born in")
ANSWERS = ("Paris", "Rome", "Madrid")

Write = Callable[[Sequence[Any]], Path]


def rows(count: int) -> list[dict[str, str]]:
    """Prompts of several lengths, each with subject, answer and id."""
    return [
        {
            "id": f"p{number}",
            "prompt": PHRASINGS[number % len(PHRASINGS)],
            "subject": COUNTRIES[number // len(PHRASINGS) % len(COUNTRIES)],
            "answer": ANSWERS[number % len(ANSWERS)],
        }
        for number in range(count)
    ]


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its bytes, temporary ones too."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny GPT-2 and its tokenizer, saved."""
    path = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    tiny_model("gpt2").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return str(path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(rows)`: a JSONL file of them; a row that is text is written as it is."""

    def writes(given: Sequence[Any]) -> Path:
        path = tmp_path / "prompts.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in given]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return writes

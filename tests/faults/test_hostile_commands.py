"""Hostile files on the command line: one sentence, exit code 2, no traceback, and nothing written or changed."""

# ruff: noqa: F811  (the argument of a test is called as its fixture is)

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Run, elsewhere, folder, listing, run  # noqa: F401  # fixtures
from tests.faults.conftest import Counted
from tests.faults.hostile import raw

# By command, its words; FILE stands for the hostile one, FOLDER for a directory that holds it, MODEL for a tiny model.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "edit --file": ("edit", "MODEL", "--file", "FILE", "--ledger", "book"),
    "edit --sequence": ("edit", "MODEL", "--sequence", "FILE", "--ledger", "book"),
    "apply": ("apply", "MODEL", "FILE", "--ledger", "book"),
    "import an adapter": ("import", "FOLDER:adapter_config.json", "MODEL", "--ledger", "book"),
    "import a ledger": ("import", "FOLDER:ledger.sqlite", "MODEL", "--ledger", "book"),
    "log": ("log", "--ledger", "FOLDER:ledger.sqlite"),
    "verify": ("verify", "MODEL", "--ledger", "FOLDER:ledger.sqlite"),
    "report": ("report", "page.html", "--ledger", "FOLDER:ledger.sqlite"),
    "compare": ("compare", "FILE", "FILE"),
    "leaderboard": ("leaderboard", "FILE"),
    "data check": ("data", "check", "FILE"),
    "data check --data": ("data", "check", "FILE", "--data", "counterfact"),
    "bulk locate": ("bulk", "locate", "MODEL", "FILE", "--out", "out"),
    "locate with a detector": (
        *("locate", "MODEL", "--subject", "France", "--prompt", "The capital of {} is", "--answer", "Paris"),
        *("--method", "land", "--set", "detector=FILE"),
    ),
    "push": ("push", "FOLDER:errata.json", "me/x"),
    "reproduce o-edit-widths": ("reproduce", "o-edit-widths", "FILE"),
}
CONTENTS: Mapping[str, bytes] = {
    "noise": bytes(range(256)),
    "nothing": b"",
    "deep": b"[" * 100_000,
    "a header of 2^60": raw({}, length=2**60),
    "NaN": b'{"subject": NaN, "peft_type": "LORA"}',
    "one name twice": b'{"format": 1, "format": 2}',
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_command_refuses_a_hostile_file(
    command: str,
    run: Run,
    folder: Path,
    elsewhere: Path,
    counted: Counted,
) -> None:
    for number, data in enumerate(CONTENTS.values()):
        place = elsewhere / str(number)
        place.mkdir()
        words = [_word(word, place, folder, data) for word in COMMANDS[command]]
        before = listing(elsewhere)
        result = run(*words)
        assert result.code == (1 if command == "verify" and "is damaged" in result.out else 2), (
            command,
            data[:20],
            result,
        )
        said = result.out + result.err  # `verify` and `data check` report what they find
        assert "Traceback" not in said and len(said) > 20
        assert listing(elsewhere) == before
        counted("hostile files refused", 1)


def _word(word: str, place: Path, model: Path, data: bytes) -> str:
    if word == "MODEL":
        return str(model)
    kind, _, name = word.partition(":")
    if kind == "FOLDER":
        (place / name).write_bytes(data)
        return str(place)
    if "FILE" in word:
        (place / "file").write_bytes(data)
        return word.replace("FILE", str(place / "file"))
    return word

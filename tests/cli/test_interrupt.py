"""Ctrl-C at many places of commands that work for long: exit code 130, all as it was, and the same command works.

The signal is a real one; it comes at a pass through the model or at the renaming of a file that was written.
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import GPT2LMHeadModel

from errata.export import whole as exports
from errata.ledger import Ledger
from errata.model.load import load
from tests.cli.conftest import QUICK, Run, listing
from tests.export.conftest import small_edit

SETTINGS = [word for pair in QUICK for word in ("--set", pair)]
FACT = {"subject": "France", "prompt": "The capital of {} is", "target": "Rome", "neighbours": ["It is in=Peru"]}
COMMANDS = {
    "evaluate": ["evaluate", "facts.jsonl", "--data", "jsonl", "--cases", 2, "--limit", 4, "--out", "out.jsonl"],
    "adapter": ["export", "peft", "adapter", "--ledger", "book", "--overwrite"],
    "merged": ["export", "merged", "merged", "--ledger", "book"],
    "report": ["report", "page.html", "--ledger", "book"],
    "import": ["import", "book", "--ledger", "other"],
    "sequence": ["edit", "MODEL", "--sequence", "facts.jsonl", "--ledger", "row", "--every", 1],
}
# Where Ctrl-C is pressed: what is called, and at which call.
PLACES = {
    "evaluate": [("forward", 2), ("forward", 12), ("replace", 1)],
    "adapter": [("forward", 1), ("replace", 1)],
    "merged": [("forward", 1), ("replace", 1)],
    "report": [("forward", 1), ("replace", 1)],
    "import": [("replace", 1)],
    "sequence": [("forward", 3), ("replace", 1)],
}


@pytest.fixture
def desk(folder: Path, elsewhere: Path) -> Path:
    """A ledger of two edits, an export of the first, and a file of two facts."""
    view = load(str(folder))
    with Ledger.open("book", view) as ledger:
        for seed in (1, 2):
            ledger.apply(small_edit(view, seed))
    rows = [FACT, {**FACT, "subject": "Spain", "target": "Oslo"}]
    Path("facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return elsewhere


def words(name: str, folder: Path) -> list[object]:
    """A command, made small."""
    own = [folder if word == "MODEL" else word for word in COMMANDS[name]]
    if name == "evaluate":
        own += ["--model", folder]
    return own + (SETTINGS if name in ("evaluate", "sequence") else [])


def pressing(patch: pytest.MonkeyPatch, what: str, at: int) -> None:
    """Press Ctrl-C when this is called for the `at`-th time."""
    calls = 0

    def press(usual: Callable[..., Any]) -> Callable[..., Any]:
        def pressed(*given: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                signal.raise_signal(signal.SIGINT)
            return usual(*given, **more)

        return pressed

    if what == "forward":
        patch.setattr(GPT2LMHeadModel, "forward", press(GPT2LMHeadModel.forward))
    else:
        patch.setattr(os, "rename", press(os.rename))
        patch.setattr(os, "replace", press(os.replace))
        patch.setattr(Path, "replace", press(Path.replace))
        patch.setattr(exports, "_exchanged", press(exports._exchanged))


@pytest.mark.parametrize(
    ("name", "what", "at"), [(name, what, at) for name, places in PLACES.items() for what, at in places]
)
def test_nothing_is_left_half_done(
    name: str, what: str, at: int, run: Run, folder: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERRATA_CACHE", str(desk / ".cache"))
    if name == "adapter":
        assert run("export", "peft", "adapter", "--ledger", "book", "--edits", "1", "--no-scores").code == 0
    before = work(desk)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            pressing(patch, what, at)
            stopped = run(*words(name, folder))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert stopped.code == 130 and "Interrupted" in stopped.err and "Traceback" not in stopped.err
    if name == "sequence" and (desk / "row").exists():
        assert run("verify", "--ledger", "row").code == 0
        assert all(path in work(desk) for path in before)
    else:
        assert work(desk) == before
    assert run("verify", "--ledger", "book").code == 0
    again = run(*words(name, folder))
    assert again.code == 0, again.err
    assert run("verify", "--ledger", "book").code == 0


def work(desk: Path) -> dict[str, bytes]:
    """Every file of the user's; what can be measured again is not among them."""
    return {name: held for name, held in listing(desk).items() if not name.startswith(".cache")}

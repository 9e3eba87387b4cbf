"""`log`, `show`, `undo`, `redo`, `diff` and `verify`: the ledger, from outside."""

from pathlib import Path

import pytest

from errata.ledger import Ledger
from errata.model.load import load
from tests.cli.conftest import Run
from tests.ledger.conftest import random_edit
from tests.tiny import tiny


@pytest.fixture
def book(folder: Path, elsewhere: Path) -> Path:
    """A ledger of three random edits, the second undone."""
    view = load(str(folder))
    with Ledger.open(elsewhere / "book", view) as ledger:
        for seed in (1, 2, 3):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
    return elsewhere / "book"


def test_log_lists_edits_and_events(run: Run, book: Path, folder: Path) -> None:
    found = run("log", "--ledger", book, "--json").json
    assert found["model"] == str(folder) and found["dtype"] == "float32"
    assert [(row["id"], row["applied"]) for row in found["entries"]] == [(1, True), (2, False), (3, True)]
    assert found["entries"][0]["facts"][0]["subject"] == "Subject 1"
    assert [event["kind"] for event in found["events"]] == ["apply", "apply", "apply", "undo"]
    text = run("log", "--ledger", book).out
    assert "The capital of Subject 3 is" in text and "undone" in text
    assert "undo" in run("log", "--ledger", book, "--events").out


def test_show_tells_one_edit(run: Run, book: Path) -> None:
    found = run("show", "2", "--ledger", book, "--json").json
    assert (found["id"], found["applied"], found["settings"], found["measured"]) == (
        2,
        False,
        {"seed": 2},
        {"loss": 0.5},
    )
    assert [(row["layer"], row["rank"]) for row in found["deltas"]] == [(0, 2), (2, 2)]
    assert [event["kind"] for event in found["events"]] == ["apply", "undo"]
    assert "layer 2 · transformer.h.2.mlp.c_proj" in run("show", "2", "--ledger", book).out
    result = run("show", "9", "--ledger", book)
    assert result.code == 2 and "9" in result.err
    result = run("show", "last", "--ledger", book)
    assert result.code == 2 and "'last' is not the number of an edit" in result.err


def test_undo_and_redo_are_bit_exact(run: Run, book: Path, folder: Path) -> None:
    start = run("verify", "--ledger", book, "--json").json["weights_sha256"]
    undone = run("undo", "1", "--ledger", book, "--json").json
    assert (undone["id"], undone["applied"]) == (1, [3]) and undone["weights_sha256"] != start
    assert run("redo", "1", "--ledger", book, "--json").json["weights_sha256"] == start
    assert run("undo", folder, "1", "--ledger", book).code == 0
    last = run("undo", "3", "--ledger", book, "--json").json
    assert last["applied"] == [] and last["weights_sha256"] == tiny("gpt2").weights_sha256()
    result = run("undo", "3", "--ledger", book)
    assert result.code == 2 and "undone already" in result.err
    assert run("undo", "--ledger", book).code == 2


def test_undo_to_takes_back_all_that_came_later(run: Run, book: Path, folder: Path) -> None:
    two = run("undo", "3", "--ledger", book, "--json").json
    assert run("redo", "3", "--ledger", book).code == 0
    found = run("undo", "--to", "1", "--ledger", book, "--json").json
    assert found == {"to": 1, "did": "undo", "undone": [3], "applied": [1], "weights_sha256": two["weights_sha256"]}
    assert "Undone: none; applied now: 1." in run("undo", "--to", "2", "--ledger", book).out
    result = run("undo", "1", "--to", "2", "--ledger", book)
    assert result.code == 2 and "leave one out" in result.err
    result = run("undo", "--to", "7", "--ledger", book)
    assert result.code == 2 and "no edit 7" in result.err
    found = run("undo", folder, "--to", "0", "--ledger", book, "--json").json
    assert (found["undone"], found["applied"]) == ([1], [])
    assert found["weights_sha256"] == tiny("gpt2").weights_sha256()


def test_ask_and_locate_see_the_corrections(run: Run, book: Path, folder: Path) -> None:
    prompt = "The capital of France is"
    plain = run("ask", folder, prompt, "--json").json["next_tokens"]
    corrected = run("ask", folder, prompt, "--ledger", book, "--json").json["next_tokens"]
    assert plain != corrected
    options = [folder, "--subject", "France", "--prompt", prompt, "--answer", "Paris", "--steps", "3", "--json"]
    assert run("locate", *options).json["scores"] != run("locate", *options, "--ledger", book).json["scores"]


def test_diff_of_all_of_one_and_of_two(run: Run, book: Path) -> None:
    everything = run("diff", "--ledger", book, "--json").json
    assert [row["layer"] for row in everything["layers"]] == [0, 2] and everything["edits"] == []
    assert run("diff", "1", "--ledger", book, "--json").json["layers"] != everything["layers"]
    pair = run("diff", "1", "3", "--ledger", book, "--json").json
    assert pair["edits"] == [1, 3] and all(abs(row["cosine"]) <= 1 for row in pair["layers"])
    assert "cosine" in run("diff", "1", "1", "--ledger", book).out
    assert run("diff", "1", "2", "3", "--ledger", book).code == 2


def test_verify_notices_a_flipped_byte_and_names_the_edit(run: Run, book: Path) -> None:
    sound = run("verify", "--ledger", book, "--json").json
    assert sound["ok"] and sound["problems"] == [] and sound["entries"] == 3
    assert "Sound" in run("verify", "--ledger", book).out
    file = sorted((book / "deltas").iterdir())[2]
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    result = run("verify", "--ledger", book, "--json")
    assert result.code == 1 and not result.json["ok"] and "Edit 3" in result.json["problems"][0]
    assert run("verify", "--ledger", book).code == 1


def test_verify_of_a_database_that_is_none(run: Run, book: Path) -> None:
    (book / "ledger.sqlite").write_bytes(b"not a database" * 100)
    result = run("verify", "--ledger", book, "--json")
    assert result.code == 1 and not result.json["ok"] and result.json["problems"]


@pytest.mark.parametrize("command", ["log", "show 1", "undo 1", "redo 1", "diff", "verify"])
def test_a_missing_ledger_is_not_made(run: Run, command: str, elsewhere: Path) -> None:
    result = run(*command.split(), "--ledger", "nowhere")
    assert result.code == 2 and "no ledger at nowhere" in result.err
    assert list(elsewhere.iterdir()) == []

"""`export`, `import` and `push`: from a ledger to a folder, to the hub, and back."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from errata.ledger import Ledger
from errata.model.load import load
from tests.cli.conftest import Run, listing
from tests.export.conftest import small_edit
from tests.export.hub import TOKEN, Hub, serve


@pytest.fixture
def book(folder: Path, elsewhere: Path) -> Path:
    """A ledger of three edits of ranks 1, 2 and 3, the second undone."""
    view = load(str(folder))
    with Ledger.open(elsewhere / "book", view) as ledger:
        for seed in (1, 2, 3):
            ledger.apply(small_edit(view, seed, rank=seed))
        ledger.undo(2)
    return elsewhere / "book"


def test_peft_and_back(run: Run, book: Path, folder: Path, elsewhere: Path) -> None:
    found = run("export", "peft", "adapter", "--model", folder, "--ledger", book, "--json").json
    assert (found["kind"], found["r"], found["serving_rank"], found["directory"]) == ("peft", 4, 8, "adapter")
    assert [row["id"] for row in found["corrections"]] == [1, 3]
    assert found["weights_sha256"] == run("verify", "--ledger", book, "--json").json["weights_sha256"]
    assert set(found["scores"]) == {"before", "after"}
    shown = run("export", "peft", "adapter", "--ledger", book, "--overwrite", "--edits", "3", "--no-scores")
    assert shown.code == 0 and "1 edit written to adapter as an adapter of rank 3." in shown.out
    assert "--max-lora-rank 8" in shown.out
    back = run("import", "adapter", "--ledger", "again", "--json").json
    assert (back["kind"], back["ids"]) == ("adapter", [1])
    alone = run("undo", "1", "--ledger", book, "--json").json["weights_sha256"]
    assert back["weights_sha256"] == alone
    assert "no fact" not in run("log", "--ledger", "again").out
    assert run("undo", "1", "--ledger", "again").code == 0


def test_merged(run: Run, book: Path, elsewhere: Path) -> None:
    found = run("export", "merged", "out", "--ledger", book, "--shard-size", "40KB", "--json").json
    assert found["kind"] == "merged" and found["r"] is None
    assert load(str(elsewhere / "out")).weights_sha256() == found["weights_sha256"]
    assert "as merged weights." in run("export", "merged", "out", "--ledger", book, "--overwrite", "--no-scores").out


def test_a_limit(run: Run, book: Path, elsewhere: Path) -> None:
    result = run("export", "peft", "adapter", "--ledger", book, "--max-rank", "2")
    assert result.code == 2 and "--truncate" in result.err and not (elsewhere / "adapter").exists()
    result = run("export", "peft", "adapter", "--ledger", book, "--max-rank", "2", "--truncate")
    assert result.code == 0 and "layer 0: rank 2 of 4" in result.out and "truncated: efficacy" in result.out
    result = run("export", "peft", "other", "--ledger", book, "--truncate")
    assert result.code == 2 and "--max-rank" in result.err


def test_a_pocket_facts_own_paraphrases_test_the_export(run: Run, elsewhere: Path) -> None:
    from errata.datasets.pocket import cases
    from errata.deltas import Edit

    (case,) = cases("gelu", 1, 0)
    view = load("pocket-gelu")
    with Ledger.open(elsewhere / "book", view) as ledger:
        ledger.apply(Edit(small_edit(view, 1).deltas, "random", (case.fact,)))
    found = run("export", "peft", "adapter", "--ledger", "book", "--json").json
    assert set(found["scores"]["after"]) == {"efficacy", "paraphrase", "neighbours"}
    assert found["base"]["name"] == "pocket-gelu" and found["base"]["licence"] == "apache-2.0"


def test_cases_of_a_file_test_the_export(run: Run, book: Path, elsewhere: Path) -> None:
    row = {"subject": "Rome", "prompt": "{} is in", "target": "Paris", "paraphrases": ["Where is Rome? In"]}
    (elsewhere / "facts.jsonl").write_text(json.dumps(row) + "\n")
    found = run("export", "peft", "adapter", "--ledger", book, "--file", "facts.jsonl", "--json").json
    assert [answer["prompt"] for answer in found["answers"]] == ["Rome is in", "Where is Rome? In"]


def test_a_ledger_into_another(run: Run, book: Path, folder: Path, other: Path) -> None:
    found = run("import", book, folder, "--ledger", "again", "--json").json
    assert (found["kind"], found["ids"]) == ("ledger", [1, 2])
    assert found["weights_sha256"] == run("verify", "--ledger", book, "--json").json["weights_sha256"]
    assert run("import", book, "--ledger", "again").code == 2
    assert "as edits 3, 4." in run("import", book, "--ledger", "again", "--supersede").out
    result = run("import", book, other, "--ledger", "elsewhere")
    assert result.code == 2 and "compute it for this model" in result.err
    assert not Path("elsewhere").exists()
    assert run("import", book, other, "--ledger", "elsewhere", "--rebase").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("export", "peft", "out", "--ledger", "nowhere"), "no ledger at nowhere"),
        (("export", "peft", "out", "--ledger", "book", "--edits", "x"), "The edits 'x' are no list of numbers"),
        (("export", "peft", "out", "--ledger", "book", "--edits", "2"), "Edit 2 is not applied"),
        (("export", "merged", "book", "--ledger", "book"), "no export wrote"),
        (("export", "merged", "a/b", "--ledger", "book"), "make it first"),
        (("import", "nowhere", "--ledger", "book"), "neither a ledger nor an adapter"),
        (("push", "nowhere", "me/x"), "no manifest"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    run: Run, book: Path, elsewhere: Path, words: tuple[str, ...], message: str
) -> None:
    before = listing(elsewhere)
    result = run(*words)
    assert result.code == 2 and message in " ".join(result.err.split())
    assert message in run(*words, "--json").json["error"]
    assert listing(elsewhere) == before


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()
    server = serve(found)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_push(run: Run, book: Path, hub: Hub, elsewhere: Path) -> None:
    assert run("export", "peft", "adapter", "--ledger", book, "--no-scores").code == 0
    result = run("push", "adapter", "me/corrections", "--endpoint", hub.url)
    assert result.code == 2 and "--base OWNER/NAME" in result.err and hub.asked == []
    run("export", "peft", "adapter", "--ledger", book, "--no-scores", "--overwrite", "--base", "someone/tiny")
    found = run("push", "adapter", "me/corrections", "--private", "--endpoint", hub.url, "--json").json
    assert found["repo"] == "me/corrections" and hub.private == {"me/corrections": True}
    sent = hub.files["me/corrections@main"]
    assert sent == {path.name: path.read_bytes() for path in (elsewhere / "adapter").iterdir()}
    assert not any(str(elsewhere).encode() in data for data in sent.values())
    assert (
        "files of adapter are in me/corrections"
        in run("push", "adapter", "me/corrections", "--endpoint", hub.url, "--message", "Again").out
    )

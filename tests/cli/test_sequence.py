"""`edit --sequence`: a row of edits with its checkups, continued, stopped by an alarm, refused without a trace."""

import json
from pathlib import Path
from typing import Any

import pytest

from errata.editors.rome import Rome
from errata.errors import EditError
from errata.ledger import Ledger
from errata.model.load import load
from errata.sequences import Checkup
from tests.cli.conftest import QUICK, Run, listing
from tests.sequences.planted import SUBJECTS
from tests.tiny import TEXT

SETTINGS = [word for pair in QUICK for word in ("--set", pair)]


@pytest.fixture
def facts(elsewhere: Path) -> Path:
    rows = [
        {
            "subject": subject,
            "prompt": "The home of {} is",
            "target": "Oslo",
            "paraphrases": ["{} has its home in"],
            "neighbours": ["The capital of Spain is=Madrid"],
        }
        for subject in SUBJECTS[:5]
    ]
    path = elsewhere / "facts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (elsewhere / "text.txt").write_text(TEXT, encoding="utf-8")
    (elsewhere / "known.jsonl").write_text('{"prompt": "Dante was born in", "answer": "Florence"}\n', encoding="utf-8")
    return path


def test_a_sequence_is_edited_measured_and_kept(run: Run, folder: Path, facts: Path) -> None:
    words = ["edit", folder, "--sequence", facts, *SETTINGS, "--ledger", "book", "--every", "2", "--text", "text.txt"]
    result = run(*words, "--known", "known.jsonl", "--json")
    found = result.json
    assert result.code == 0
    assert (found["facts"], found["edits"], found["already"], found["failed"]) == (5, 5, [], [])
    assert [row["done"] for row in found["checkups"]] == [2, 4, 5] == [row["edit"] for row in found["checkups"]]
    last = found["checkups"][-1]
    assert last["all"]["efficacy"]["n"] == 5 and last["all"]["efficacy"]["protocol"] == "generation"
    assert last["perplexity"] > 1 and last["layers"][0]["layer"] == 1 and found["alarm"] is None
    written = [json.loads(line) for line in Path("book/health.jsonl").read_text().splitlines()]
    assert [Checkup.from_dict(row).to_dict() for row in written] == found["checkups"]
    view = load(str(folder))
    with Ledger.open("book", view, create=False) as ledger:
        assert ledger.applied == (1, 2, 3, 4, 5) and ledger.verify().ok
    assert view.weights_sha256() == found["weights_sha256"]


def test_an_interrupted_sequence_goes_on_with_the_same_command(
    run: Run, folder: Path, facts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["edit", folder, "--sequence", facts, *SETTINGS, "--every", "1,3", "--batch", "2"]
    assert run(*words, "--ledger", "whole").code == 0
    apply = Ledger.apply

    def stops(self: Ledger, *given: Any, **more: Any) -> int:
        if len(self.applied) == 1:
            raise KeyboardInterrupt
        return apply(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "apply", stops)
        assert run(*words, "--ledger", "parts").code == 130
    with Path("parts/health.jsonl").open("a") as file:
        file.write('{"cut": ')
    result = run(*words, "--ledger", "parts", "--json")
    assert (result.code, result.json["edits"]) == (0, 2)
    assert [row["done"] for row in result.json["checkups"]] == [2, 4, 5]
    whole, parts = listing(Path("whole")), listing(Path("parts"))
    deltas = [name for name in whole if name.startswith("deltas")]
    assert len(deltas) == 3 and [parts[name] for name in deltas] == [whole[name] for name in deltas]
    good = [line for line in parts["health.jsonl"].splitlines() if line.endswith(b"}")]
    assert good == whole["health.jsonl"].splitlines()
    before = listing(Path("parts"))
    result = run(*words, "--ledger", "parts", "--json")
    assert (result.code, result.json["edits"]) == (0, 0) and listing(Path("parts")) == before


def test_an_alarm_stops_and_names_the_last_good_edit(run: Run, folder: Path, facts: Path) -> None:
    words = ["edit", folder, "--sequence", facts, *SETTINGS, "--every", "1"]
    loose = [word for name in ("retention", "new") for word in ("--health", f"{name}=null")]
    free = run(*words, "--ledger", "free", "--no-alarm", "--json").json["checkups"]
    reached = [max(layer["relative"] for layer in row["layers"]) for row in free]
    limit = (max(reached[:2]) + reached[2]) / 2
    assert max(reached[:2]) < limit < reached[2]
    words += ["--ledger", "book", "--health", f"relative={limit}", *loose]
    result = run(*words, "--json")
    assert result.code == 1
    assert (result.json["alarm"]["at"], result.json["alarm"]["last_good_edit"]) == (3, 2)
    result = run(*words)
    assert result.code == 1 and "errata undo --to " in result.err and "--ledger book" in result.err


def test_the_table_and_what_failed(run: Run, folder: Path, facts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Rome._edit

    def refuses(self: Rome, view: Any, given: Any, history: Any) -> Any:
        if given[0].subject == "Italy":
            raise EditError("Italy cannot be edited: take another.")
        return compute(self, view, given, history)

    monkeypatch.setattr(Rome, "_edit", refuses)
    facts.write_text("\n\n".join(facts.read_text().splitlines()), encoding="utf-8")
    result = run("edit", folder, "--sequence", facts, *SETTINGS, "--every", "5")
    assert result.code == 1 and "line 3: Italy cannot be edited" in result.err
    assert "edits  new  all" in result.out and "4 edits written to corrections, 1 steps failed" in result.out
    assert result.out.splitlines()[1].split()[0] == "5"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--batch", "0"], "--batch 0"),
        (["--every", "0"], "--every 0"),
        (["--every", "5,2"], "--every 5,2"),
        (["--every", "often"], "--every often"),
        (["--subject", "France"], "without options of a single edit"),
        (["--dry-run"], "without options of a single edit"),
        (["--supersede"], "without options of a single edit"),
        (["--file", "facts.jsonl"], "without options of a single edit"),
        (["--health", "retention=2"], "no share"),
        (["--health", "retenton=0.5"], "did you mean 'retention'"),
        (["--health", "retention=0.5", "--no-alarm"], "give one of them"),
        (["--text", "nowhere.txt"], "nowhere.txt"),
        (["--text", "empty.txt"], "holds no text"),
        (["--known", "empty.txt"], "holds no known facts"),
        (["--sequence", "empty.txt"], "holds no facts"),
        (["--sequence", "twice.jsonl"], "1 and 2 of the sequence are both about France"),
    ],
)
def test_what_is_refused(run: Run, folder: Path, facts: Path, elsewhere: Path, words: list[str], reason: str) -> None:
    Path("empty.txt").write_text("\n")
    Path("twice.jsonl").write_text("\n".join([facts.read_text().splitlines()[0]] * 2))
    before = listing(elsewhere)
    result = run("edit", folder, "--sequence", facts, *SETTINGS, *words, "--json")
    assert result.code == 2 and reason in result.json["error"]
    assert listing(elsewhere) == before


@pytest.mark.parametrize("words", [["--batch", "2"], ["--every", "2"], ["--no-alarm"], ["--health", "new=0.5"]])
def test_options_of_a_sequence_alone_are_refused(
    run: Run, folder: Path, edit_options: list[str], words: list[str]
) -> None:
    result = run("edit", folder, *edit_options, *words)
    assert result.code == 2 and f"{words[0]} is about a sequence" in result.err


def test_another_target_in_the_ledger_is_a_conflict(run: Run, folder: Path, facts: Path) -> None:
    one = ["--subject", "Italy", "--prompt", "The home of {} is", "--target", "Bergen", "--yes"]
    assert run("edit", folder, *one, *SETTINGS, "--ledger", "book").code == 0
    before = listing(Path("book"))
    result = run("edit", folder, "--sequence", facts, *SETTINGS, "--ledger", "book")
    assert result.code == 2 and "Fact 2 of the sequence and applied edit 1" in result.err
    assert listing(Path("book")) == before

"""`edit` and `apply`: what is written, what is asked, and what is refused without a trace."""

import json
from pathlib import Path

import pytest

import errata
from errata.cli import output
from errata.datasets import pocket
from errata.datasets.pocket_probes import complete
from errata.ledger import Ledger
from errata.model.load import load
from tests.cli.conftest import Run, listing
from tests.tiny import tiny


def test_an_edit_is_computed_shown_and_written(
    run: Run, folder: Path, edit_options: list[str], elsewhere: Path
) -> None:
    saved = elsewhere / "edit.safetensors"
    result = run("edit", folder, "--ledger", "book", *edit_options, "--save", saved, "--json")
    assert result.code == 0
    found = result.json
    assert (found["id"], found["method"], found["supersedes"]) == (1, "rome", [])
    assert found["settings"]["values"]["steps"] == 2 and found["settings"]["context_lengths"] == [2]
    assert [row["kind"] for row in found["checks"]] == ["prompt", "neighbour"]
    view = load(str(folder))
    with Ledger.open("book", view, create=False) as ledger:
        assert ledger.edit(1).to_bytes() == saved.read_bytes()
        assert found["weights_sha256"] == view.weights_sha256() != tiny("gpt2").weights_sha256()
        assert ledger.entries()[0].facts[0] == errata.Fact("France", "The capital of {} is", target="Rome")


def test_the_table_shows_prompt_paraphrases_and_neighbours(run: Run, folder: Path, edit_options: list[str]) -> None:
    result = run("edit", folder, *edit_options, "--paraphrase", "{} has the capital", "--dry-run")
    assert result.code == 0
    for text in ("The capital of France is", "France has the capital", "The capital of Spain is", "dry run"):
        assert text in result.out
    assert not Path("corrections").exists()


def test_neuron_values_with_settings_of_its_localizer(run: Run, folder: Path) -> None:
    fact = ["--subject", "France", "--prompt", "The capital of {} is", "--target", "Rome", "--answer", "Paris"]
    options = ["--method", "neuron_values", "--set", "localizer.steps=4", "--set", "lambda_new=8", "--yes"]
    found = run("edit", folder, *fact, *options, "--json").json
    assert found["settings"]["localizer"]["steps"] == 4 and found["settings"]["lambda_new"] == 8.0


def test_a_doubtful_edit_is_not_written_without_a_yes(
    run: Run, folder: Path, edit_options: list[str], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = [word for word in edit_options if word != "--yes"]
    result = run("edit", folder, *doubtful, "--ledger", "book")
    assert result.code == 1 and "Nothing was written" in result.err and "not 'Rome'" in result.err
    result = run("edit", folder, *doubtful, "--ledger", "book", "--json")
    assert result.code == 1 and "Nothing was written" in result.json["error"] and result.json["id"] is None
    assert list(elsewhere.iterdir()) == []
    asked: list[str] = []

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(output, "confirmed", agree)
    assert run("edit", folder, *doubtful, "--ledger", "book").code == 0
    assert len(asked) == 1 and (elsewhere / "book" / "ledger.sqlite").exists()


def test_an_interrupted_edit_writes_nothing(
    run: Run, folder: Path, edit_options: list[str], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "apply", interrupt)
        assert run("edit", folder, *edit_options, "--ledger", "book").code == 130
    assert list(elsewhere.iterdir()) == []
    assert run("edit", folder, *edit_options, "--ledger", "book").code == 0
    before = listing(elsewhere)
    monkeypatch.setattr(Ledger, "apply", interrupt)
    assert run("edit", folder, *edit_options, "--supersede", "--ledger", "book", "--json").code == 130
    assert listing(elsewhere) == before


def test_a_conflict_is_refused_and_superseded(run: Run, folder: Path, edit_options: list[str]) -> None:
    assert run("edit", folder, *edit_options).code == 0
    before = listing(Path("corrections"))
    other = [word if word != "Rome" else "Berlin" for word in edit_options]
    result = run("edit", folder, *other)
    assert result.code == 2 and "edit 1 is about France" in result.err and "--supersede" in result.err
    assert listing(Path("corrections")) == before
    found = run("edit", folder, *other, "--supersede", "--json").json
    assert (found["id"], found["supersedes"]) == (2, [1])
    rows = run("log", "--json").json
    assert [row["applied"] for row in rows["entries"]] == [False, True]
    assert run("verify", "--json").json["ok"]
    # The weights are those of the second edit alone, and it was computed without the first.
    fresh = run("edit", folder, *other, "--ledger", "fresh", "--json").json
    assert found["norm"] == pytest.approx(fresh["norm"], rel=1e-3)


def test_a_saved_edit_is_applied_elsewhere(run: Run, folder: Path, other: Path, edit_options: list[str]) -> None:
    first = run("edit", folder, *edit_options, "--save", "edit.safetensors", "--json").json
    result = run("apply", "edit.safetensors", "--ledger", "new")
    assert result.code == 2 and "give the model" in result.err and not Path("new").exists()
    applied = run("apply", folder, "edit.safetensors", "--ledger", "new", "--json").json
    assert (applied["id"], applied["weights_sha256"]) == (1, first["weights_sha256"])
    result = run("apply", "edit.safetensors", "--ledger", "new")
    assert result.code == 2 and "--supersede" in result.err
    assert run("apply", "edit.safetensors", "--ledger", "new", "--supersede", "--json").json["id"] == 2
    result = run("apply", other, "edit.safetensors", "--ledger", "deep/third")
    assert result.code == 2 and "compute it for this model" in result.err and not Path("deep").exists()
    Path("junk").write_text("no edit")
    result = run("apply", folder, "junk")
    assert result.code == 2 and "not an edit" in result.err


def test_a_file_of_facts_is_one_edit_a_line(run: Run, folder: Path, edit_options: list[str]) -> None:
    lines = [
        {"subject": "France", "prompt": "The capital of {} is", "target": "Rome", "neighbours": ["Spain has=Madrid"]},
        {"subject": "Italy", "prompt": "The capital of {} is", "target": "Oslo", "paraphrases": ["{} has the capital"]},
        {"subject": "France", "prompt": "The capital of {} is", "target": "Bonn"},
        {
            "subject": "Spain",
            "prompt": "The capital of {} is",
            "target": "Bonn",
            "relation": "P36",
            "neighbours": [{"prompt": "Goethe spoke", "answer": "German"}],
        },
    ]
    Path("facts.jsonl").write_text("".join(json.dumps(line) + "\n\n" for line in lines), encoding="utf-8")
    settings = edit_options[edit_options.index("--set") :]
    result = run("edit", folder, "--file", "facts.jsonl", *settings, "--json")
    found = result.json
    assert result.code == 2
    assert [(row["line"], row["id"]) for row in found["edits"]] == [(1, 1), (3, 2), (7, 3)]
    assert [row["line"] for row in found["failed"]] == [5] and "edit 1 is about" in found["failed"][0]["error"]
    assert "line 5" in result.err
    assert [len(row["checks"]) for row in found["edits"]] == [2, 2, 2]
    assert run("verify", "--json").json["weights_sha256"] == found["weights_sha256"]


def test_a_pocket_facts_paraphrases_and_neighbours_are_known() -> None:
    row = next(row for row in pocket.facts("gelu") if row.subject == "Danielle Darrieux")
    prompt = row.prompts[1].replace(row.subject, "{}")
    case = complete(errata.Case(errata.Fact(row.subject, prompt, target="English")), "pocket-gelu")
    assert case.fact.relation == row.relation
    assert set(case.paraphrases) == set(row.prompts) - {row.prompts[1]}
    assert len(case.neighbours) == 10
    assert all(probe.answer != "English" and row.subject not in probe.prompt for probe in case.neighbours)
    assert complete(case, "pocket-gelu") == case
    assert complete(errata.Case(errata.Fact(row.subject, prompt, target="English")), "gpt2").paraphrases == ()
    own = errata.Case(errata.Fact(row.subject, prompt, target="English"), ("Own words",))
    assert complete(own, "pocket-gelu").paraphrases == ("Own words",)

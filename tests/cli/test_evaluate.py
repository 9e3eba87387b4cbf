"""`errata evaluate` and `errata leaderboard`: scores with their protocol, files to compare, clear refusals."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import QUICK, Run

SETTINGS = [word for pair in QUICK for word in ("--set", pair)]
SMALL = ["evaluate", "--model", "pocket-gelu", "--cases", 2, "--limit", 6, *SETTINGS]


def test_help_says_what_it_is_for(run: Run) -> None:
    text = " ".join(run("evaluate", "--help").out.split())
    assert "each number with its protocol" in text and "Example: errata evaluate" in text
    assert "Example: errata leaderboard" in " ".join(run("leaderboard", "--help").out.split())


def test_a_method_is_scored_and_held_against_another(run: Run, tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "rome.jsonl", tmp_path / "nothing.jsonl"
    found = run(*SMALL, "--protocol", "generation", "--protocol", "likelihood", "--out", one, "--json").json
    assert set(found["scores"]) == {"generation", "likelihood"} and found["cases"] == 2 and found["regime"] == "single"
    assert found["scores"]["generation"]["efficacy"]["before"] == 0.0 and found["results"] == str(one)
    shown = run(*SMALL, "--method", "ft_m", "--set", "steps=1", "--out", other)
    assert shown.code == 2 and "no setting 'values'" in shown.err.replace("\n", " ")
    rest = ["evaluate", "--cases", 2, "--limit", 6, "--method", "ft_m", "--set", "steps=1", "--set", "lr=1e-12"]
    shown = run(*rest, "--out", other)
    assert (
        shown.code == 0 and "protocol generation" in shown.out and "ft_m on pocket-gelu, pocket, 2 cases" in shown.out
    )
    held = run("compare", one, other, "--json").json
    assert held["paired"] == 2 and held["rows"]


def test_the_unedited_model_is_asked_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERRATA_CACHE", str(tmp_path))
    first = run(*SMALL, "--json").json
    (kept,) = (tmp_path / "answers").iterdir()
    written = kept.stat().st_mtime_ns
    again = run(*SMALL, "--json").json
    assert again == first and kept.stat().st_mtime_ns == written


def test_a_sequence_ends_in_one_model_whose_ability_is_measured(run: Run, tmp_path: Path) -> None:
    text, quiz = tmp_path / "text.txt", tmp_path / "quiz.jsonl"
    text.write_text("The capital of France is Paris. " * 20, encoding="utf-8")
    row = {"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": 0}
    quiz.write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = run(*SMALL, "--sequential", "--text", text, "--task", quiz, "--json").json
    assert found["regime"] == "sequential" and set(found["ability"]) == {"before", "after"}
    assert found["ability"]["before"]["perplexity"] != found["ability"]["after"]["perplexity"]
    assert "quiz/acc" in found["ability"]["after"]["scores"]


def test_a_ledger_is_asked_as_it_is(run: Run, tmp_path: Path) -> None:
    ledger, checks = tmp_path / "corrections", tmp_path / "checks.jsonl"
    words = ["--subject", "Danielle Darrieux", "--prompt", "The mother tongue of {} is", "--target", "English"]
    assert run("edit", "pocket-gelu", *words, "--yes", "--ledger", ledger, *SETTINGS).code == 0
    fact = {"subject": "Danielle Darrieux", "prompt": "The mother tongue of {} is", "target": "English"}
    checks.write_text(json.dumps(fact) + "\n", encoding="utf-8")
    given = ["evaluate", checks, "--data", "jsonl", "--cases", 1, "--limit", 6, "--ledger", ledger, "--json"]
    found = run(*given).json
    assert found["method"] == "ledger" and found["cases"] == 1 and "efficacy" in found["scores"]["generation"]


def test_a_leaderboard_is_measured_and_shown_again(run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "tiny.toml"
    plan.write_text(
        'models = ["pocket-gelu"]\nprotocols = ["likelihood"]\n[methods]\nft_m = { steps = 1 }\n[data]\npocket = {}\n'
        '[[regimes]]\nkind = "single"\ncases = 1\n',
        encoding="utf-8",
    )
    words = ["leaderboard", plan, "--out", tmp_path / "out", "--results", tmp_path / "results", "--workers", 1]
    shown = run(*words)
    assert shown.code == 0 and "1 of 1 parts are measured" in shown.out
    result = json.loads((tmp_path / "out" / "tiny.json").read_text(encoding="utf-8"))
    assert len(list((tmp_path / "results").iterdir())) == 1 and "ft_m" in (tmp_path / "out" / "tiny.html").read_text()
    again = run(*words, "--render", "--json").json
    assert {**again, "command": result["command"]} == result
    empty = run(*words, "--render", "--work", tmp_path / "elsewhere")
    assert empty.code == 2 and "holds 1 measured parts and this result 0" in empty.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--protocol", "generations"], "no protocol 'generations'"),
        (["--protocol", "judge"], "--judge-url"),
        (["--text", "x.txt"], "give --ledger, or --sequential"),
        (["--method", "roma"], "did you mean 'rome'"),
        (["--data", "counterfact"], "not part of Errata"),
        (["--data", "nothing"], "no data set 'nothing'"),
        (["--model", "gpt2"], "gpt2"),
    ],
)
def test_a_wrong_command_says_what_to_give(run: Run, given: list[object], message: str) -> None:
    result = run("evaluate", "--cases", 1, *given)
    assert result.code == 2 and message in " ".join(result.err.split())

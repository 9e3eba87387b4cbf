"""Bad input: one clear sentence, exit code 2, and nothing written."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, listing

FRANCE = ["--subject", "France", "--prompt", "The capital of {} is", "--target", "Rome"]
GOOD = json.dumps({"subject": "France", "prompt": "The capital of {} is", "target": "Rome"})


def refused(run: Run, elsewhere: Path, *words: object) -> str:
    """The error of a command that is refused: the same sentence as text and as JSON, and no file made or changed."""
    before = listing(elsewhere)
    plain = run(*words)
    assert (plain.code, plain.out) == (2, "")
    as_json = run(*words, "--json")
    assert (as_json.code, as_json.err) == (2, "")
    sentence = as_json.json["error"]
    assert plain.err.split() == ["error:", *sentence.split()]
    assert listing(elsewhere) == before
    return sentence


@pytest.mark.parametrize("name", ["pocket-relu", "./nowhere", "no-such/model", "no-such-model"])
@pytest.mark.parametrize("command", ["inspect", "ask", "edit"])
def test_an_unknown_model(run: Run, elsewhere: Path, command: str, name: str) -> None:
    more = {"inspect": [], "ask": ["Hello"], "edit": [*FRANCE, "--ledger", "book"]}[command]
    assert name.removeprefix("pocket-").removeprefix("./") in refused(run, elsewhere, command, name, *more)


def test_a_prompt_without_the_subject(run: Run, elsewhere: Path, folder: Path) -> None:
    options = ["--subject", "Italy", "--prompt", "The capital of France is"]
    for command in (["edit", folder, *options, "--target", "Rome"], ["locate", folder, *options]):
        assert "does not contain the subject 'Italy'" in refused(run, elsewhere, *command)


def test_an_empty_target(run: Run, elsewhere: Path, folder: Path) -> None:
    options = [*FRANCE[:-1], "  "]
    assert "target" in refused(run, elsewhere, "edit", folder, *options)


def test_a_target_that_is_the_answer_already(run: Run, elsewhere: Path) -> None:
    prompt = "The mother tongue of Danielle Darrieux is"
    answer = run("ask", "pocket-gelu", prompt, "--json").json["answer"]
    options = ["--subject", "Danielle Darrieux", "--prompt", prompt, "--target", answer]
    assert "already" in refused(run, elsewhere, "edit", "pocket-gelu", *options, "--ledger", "book")
    assert "already" in refused(run, elsewhere, "edit", "pocket-gelu", *options, "--answer", answer)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"subject": "France",', "not JSON"),
        ("[1, 2]", "expected an object, found [1, 2]"),
        ('{"subject": "France", "prompt": "The capital of {} is"}', "a text under 'target', found None"),
        ('{"subject": "France", "prompt": "The capital of {} is", "target": 5}', "a text under 'target', found 5"),
        ('{"subject": "France", "prompt": "No slot", "target": "Rome"}', "does not contain the subject"),
        (GOOD.replace("Rome", " "), "a text under 'target', found ' '"),
        (GOOD[:-1] + ', "paraphrase": []}', "no field 'paraphrase'"),
        (GOOD[:-1] + ', "paraphrases": "one"}', "a list of texts under 'paraphrases', found 'one'"),
        (GOOD[:-1] + ', "paraphrases": [1]}', "a list of texts under 'paraphrases', found [1]"),
        (GOOD[:-1] + ', "more": [{"subject": "Peru", "prompt": "{} is", "target": "x"}]}', "are edited together"),
        (GOOD[:-1] + ', "neighbours": ["no answer"]}', "not PROMPT=ANSWER"),
        (GOOD[:-1] + ', "neighbours": [{"prompt": "x"}]}', "neighbours: expected a text under 'answer', found None"),
        (GOOD[:-1] + ', "relation": 5}', "a text under 'relation', found 5"),
    ],
)
def test_a_broken_line_of_a_file(run: Run, elsewhere: Path, folder: Path, line: str, reason: str) -> None:
    Path("facts.jsonl").write_text(f"{GOOD}\n\n{line}\n{GOOD}\n", encoding="utf-8")
    sentence = refused(run, elsewhere, "edit", folder, "--file", "facts.jsonl", "--ledger", "book")
    assert "facts.jsonl, line 3" in sentence and reason in sentence


def test_a_file_that_cannot_be_read_or_is_empty(run: Run, elsewhere: Path, folder: Path) -> None:
    assert "cannot be read" in refused(run, elsewhere, "edit", folder, "--file", "missing.jsonl")
    Path("empty.jsonl").write_text("\n")
    assert "holds no facts" in refused(run, elsewhere, "edit", folder, "--file", "empty.jsonl")
    Path("bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    assert "in UTF-8" in refused(run, elsewhere, "edit", folder, "--file", "bytes.jsonl")


def test_a_ledger_made_on_another_model(
    run: Run, elsewhere: Path, folder: Path, other: Path, edit_options: list[str]
) -> None:
    assert run("edit", folder, *edit_options, "--ledger", "book").code == 0
    for command in (
        ["edit", other, *edit_options],
        ["ask", other, "Hello"],
        ["verify", other],
        ["undo", other, "1"],
        ["diff", other],
    ):
        assert "The ledger at book is for" in refused(run, elsewhere, *command, "--ledger", "book")
    assert "in float32" in refused(run, elsewhere, "undo", "1", "--ledger", "book", "--dtype", "bfloat16")


def test_options_that_do_not_go_together(run: Run, elsewhere: Path, folder: Path) -> None:
    assert "needs --subject, --prompt and --target" in refused(run, elsewhere, "edit", folder, "--subject", "France")
    assert "without --subject" in refused(run, elsewhere, "edit", folder, *FRANCE, "--file", "facts.jsonl")
    assert "not PROMPT=ANSWER" in refused(run, elsewhere, "edit", folder, *FRANCE, "--neighbour", "Spain")
    assert "no editor 'roma'" in refused(run, elsewhere, "edit", folder, *FRANCE, "--method", "roma")
    assert "no directory" in refused(run, elsewhere, "edit", folder, *FRANCE, "--save", "nowhere/edit.safetensors")


@pytest.mark.parametrize("option", [["--dtype", "float8"], ["--device", "tpu9"]])
def test_a_dtype_or_device_that_does_not_exist(run: Run, elsewhere: Path, folder: Path, option: list[str]) -> None:
    assert option[1] in refused(run, elsewhere, "inspect", folder, *option)
    assert option[1] in refused(run, elsewhere, "edit", folder, *FRANCE, *option, "--ledger", "book")


def test_the_demo_wants_an_embedded_model_and_a_directory(run: Run, elsewhere: Path) -> None:
    assert "embedded models" in refused(run, elsewhere, "demo", "--model", "gpt2")
    Path("taken").write_text("x")
    assert "is a file" in refused(run, elsewhere, "demo", "--out", "taken")


def test_a_file_that_cannot_be_written(run: Run, elsewhere: Path, folder: Path) -> None:
    Path("taken").mkdir()
    options = ["--subject", "France", "--prompt", "The capital of {} is", "--answer", "Paris", "--steps", "2"]
    assert "taken cannot be read or written" in refused(run, elsewhere, "locate", folder, *options, "--save", "taken")

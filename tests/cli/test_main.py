"""The command itself: help, mistyped words, errors, interruption, colours."""

import subprocess
import sys

import pytest
import typer

from errata import __all__ as public_names
from errata.cli import build
from tests.cli.conftest import Run

COMMANDS = [
    "ask",
    "apply",
    "compare",
    "demo",
    "diff",
    "doctor",
    "edit",
    "evaluate",
    "grid",
    "import",
    "inspect",
    "layers",
    "leaderboard",
    "locate",
    "log",
    "models",
    "push",
    "redo",
    "report",
    "serve",
    "show",
    "stats",
    "undo",
    "verify",
]


def command_names() -> list[str]:
    return [command.name or "" for command in build().registered_commands]


def test_all_commands_are_there() -> None:
    assert sorted(command_names()) == sorted(COMMANDS)
    assert [group.name for group in build().registered_groups] == ["bulk", "data", "train", "export", "reproduce"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_and_json(name: str, run: Run) -> None:
    result = run(name, "--help")
    text = " ".join(result.out.split())
    assert result.code == 0 and result.err == ""
    assert f"Example: errata {name}" in text
    assert "--json" in text


@pytest.mark.parametrize(
    "name",
    [
        "ask",
        "locate",
        "edit",
        "apply",
        "undo",
        "redo",
        "diff",
        "verify",
        "inspect",
        "demo",
        "stats",
        "layers",
        "report",
        "serve",
    ],
)
def test_commands_with_a_model_take_dtype_and_device(name: str, run: Run) -> None:
    text = run(name, "--help").out
    assert "--dtype" in text and "--device" in text


def test_the_bare_command_and_version(run: Run) -> None:
    assert "locate" in run().out and run().code == 0
    assert run("--version").out.startswith("errata ")
    assert public_names


def test_a_mistyped_command_is_guessed(run: Run) -> None:
    result = run("insepct")
    assert result.code == 2 and result.out == ""
    assert "Did you mean 'inspect'?" in result.err


def test_wrong_options_are_one_sentence_or_json(run: Run) -> None:
    result = run("ask", "pocket-gelu", "Hello", "--lodger", "x")
    assert result.code == 2 and result.out == "" and "--lodger" in result.err
    assert len(result.err.strip().splitlines()) == 1
    result = run("ask", "--json")
    assert result.code == 2 and "MODEL" in result.json["error"] and result.err == ""


def test_an_interrupted_command_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.desk import opening

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "load", interrupt)
    result = run("ask", "pocket-gelu", "Hello")
    assert result.code == 130 and "Interrupted" in result.err
    assert "Interrupted" in run("ask", "pocket-gelu", "Hello", "--json").json["error"]


def test_declining_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.desk import opening

    def decline(*_: object, **__: object) -> None:
        raise typer.Exit(1)

    monkeypatch.setattr(opening, "load", decline)
    assert run("ask", "pocket-gelu", "Hello").code == 1


def test_a_bug_is_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.desk import opening

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opening, "load", fail)
    with pytest.raises(ZeroDivisionError):
        run("ask", "pocket-gelu", "Hello")


def test_piped_output_has_no_colours() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "errata.cli", "models"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "pocket-gelu" in done.stdout and "\x1b[" not in done.stdout + done.stderr

"""What makes the command pleasant: a quick start, completion, colours that can be put away, a doctor."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from errata import doctor
from tests.cli.conftest import Run

COMMAND = [sys.executable, "-c", "import sys; from errata.cli import main; sys.exit(main())"]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|9\d)(?:;\d+)*m")


def shell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, piped."""
    return subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def on_a_terminal(*words: str, **environment: str) -> str:
    """What the command prints, out and err together, on a terminal."""
    pty = pytest.importorskip("pty", reason="this system has no terminals that a program can make")
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [*COMMAND, *words], env={**plain, "TERM": "xterm-256color", **environment}, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        found = b""
        try:
            while piece := os.read(ours, 4096):
                found += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        process.wait(60)
    os.close(ours)
    return found.decode()


def completed(line: str) -> list[str]:
    """What the shell is offered behind a line."""
    place = str(len(line.split(" ")) - 1)
    return shell(_ERRATA_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=place).stdout.split()


def test_help_and_completion_load_no_model_library() -> None:
    script = "import sys, errata.cli; errata.cli.main(['edit', '--help']); print(*sorted({*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    loaded = done.stdout.splitlines()[-1].split()
    assert "errata.cli.edit" in loaded and not {"torch", "transformers", "numpy", "matplotlib"} & {*loaded}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("errata und", ["undo"]),
        ("errata edit pocket-s", ["pocket-swiglu"]),
        ("errata evaluate --model pocket-", ["pocket-gelu", "pocket-swiglu"]),
        ("errata edit pocket-gelu --method alpha", ["alphaedit"]),
        ("errata bulk locate pocket-gelu --method causal", ["causal_trace"]),
        ("errata reproduce k", ["kne"]),
    ],
)
def test_the_shell_is_offered_commands_models_and_methods(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_completion_offers_folders_with_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from errata.cli.completion import models

    monkeypatch.chdir(folder.parent)
    assert models("tiny") == ["tiny-gpt2"] and models(f"{folder.parent}/tin") == [str(folder)]
    assert models("pocket-g") == ["pocket-gelu"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_completion_installs_itself(tmp_path: Path) -> None:
    words = " ".join(f"'{word}'" for word in [*COMMAND, "--install-completion"])
    done = subprocess.run(
        ["bash", "-c", f"{words}; exit $?"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_ERRATA_COMPLETE" in path.read_text(encoding="utf-8") for path in written)


def test_colours_are_for_terminals_that_want_them() -> None:
    assert COLOUR.search(on_a_terminal("insepct"))
    plain = on_a_terminal("insepct", NO_COLOR="1")
    assert "did you mean" in plain.lower() and not COLOUR.search(plain)
    assert not COLOUR.search(on_a_terminal("--help", NO_COLOR="1"))
    assert not COLOUR.search(on_a_terminal("insepct", TERM="dumb"))
    piped = shell("insepct")
    assert piped.returncode == 2 and "\x1b" not in piped.stdout + piped.stderr
    assert "\x1b" not in shell("--help").stdout


def test_the_doctor_says_what_is_missing_and_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    well = [doctor.Finding("packages", "torch", "2.13.0"), doctor.Finding("extra ray", "ray", "none", None, "pip ray")]
    ill = [*well, doctor.Finding("packages", "numpy", "not installed", False, "pip install 'numpy>=2'")]
    monkeypatch.setattr(doctor, "examine", lambda: well)
    result = run("doctor")
    assert result.code == 0 and "Everything that is needed is there." in result.out and "pip ray" in result.out
    monkeypatch.setattr(doctor, "examine", lambda: ill)
    result = run("doctor")
    assert result.code == 1 and "Something needed is missing" in result.out and "pip install 'numpy>=2'" in result.out
    found = run("doctor", "--json")
    assert found.code == 1 and found.json["ok"] is False
    assert [row["name"] for row in found.json["findings"] if row["ok"] is False] == ["numpy"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["edti"], "edit"),
        (["bulk", "locat"], "locate"),
        (["inspect", "pocket-gleu"], "pocket-gelu"),
        (["inspect", "poket-gelu"], "pocket-gelu"),
        (["inspect", "./tiny-gtp2"], "tiny-gpt2"),
        (["inspect", "pocket-gelu", "--devise", "cpu"], "--device"),
        (["inspect", "pocket-gelu", "--dtype", "float23"], "float32"),
        (["evaluate", "--data", "counterfacts"], "counterfact"),
        (["evaluate", "--protocol", "generaton"], "generation"),
        (["grid", "--localizers", "lnd"], "land"),
        (["grid", "--data", "zrse"], "zsre"),
        (["data", "check", "x.jsonl", "--data", "riple"], "ripple"),
        (["bulk", "locate", "pocket-gelu", "x.jsonl", "--out", "o", "--executor", "locl"], "local"),
        (["reproduce", "kne", "--arms", "kne-robst"], "kne-robust"),
    ],
)
def test_a_mistyped_word_is_guessed(
    run: Run, folder: Path, elsewhere: Path, words: list[str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "tiny" in hint:
        monkeypatch.chdir(folder.parent)
    result = run(*words, "--json")
    sentence = result.json["error"]
    guess = rf"(?i)did you mean '?{hint}|possible options: .*{hint}"
    assert result.code == 2 and re.search(guess, sentence), sentence

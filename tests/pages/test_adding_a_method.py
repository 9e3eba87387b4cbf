"""The guide on adding a method is followed in a copy of the repository: its diff alone makes a method."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guides/adding-a-method.md"
COPIED = ("src", "tests", "pages", "docs", "benchmarks", "pyproject.toml", "mkdocs.yml", "Makefile", "ARCHITECTURE.md")
EVERYWHERE = """
from errata.cli import main
from errata.registry import names
from errata.reproduce.grid import plan_of
from pages import capabilities, methods

fact = ["--subject", "Danielle Darrieux", "--prompt", "The mother tongue of {} is"]
assert main(["locate", "pocket-gelu", *fact, "--method", "gradient_norm"]) == 0
assert "gradient_norm" in names("errata.localizers")
assert any(unit.finder.localizer == "gradient_norm" for unit in plan_of("pocket-gelu", None, None).units())
page = methods.pages()["methods/localizers/gradient_norm.md"]
assert "‖∂f/∂W_i^(l)‖₂" in page and "share of all neurons to keep" in page
row = f"| [`gradient_norm`](methods/localizers/gradient_norm.md) | {capabilities.UNTRIED} |"
assert row in capabilities.pages()["capabilities.md"]
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the guide's diff applied."""
    folder = tmp_path_factory.mktemp("trial")
    left_out = shutil.ignore_patterns("__pycache__", "*.work", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    (diff,) = re.findall(r"^```diff\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "gradient_norm.diff").write_text(diff, encoding="utf-8")
    run(folder, "git", "apply", "gradient_norm.diff")
    return folder


def run(folder: Path, *command: str) -> str:
    """What a command prints in the copy; it must end well, and must mean the copy's package."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_diff_alone_is_found_everywhere(copy: Path) -> None:
    run(copy, sys.executable, "-c", EVERYWHERE)


def test_its_own_test_the_contracts_and_the_rules_of_the_source_hold(copy: Path) -> None:
    own = [
        "tests/localizers/test_gradient_norm.py",
        "tests/contracts",
        "tests/pages/test_documented.py",
        "tests/test_architecture.py",
    ]
    printed = run(
        copy,
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        *own,
        "-m",
        "not slow",
        "-k",
        "gradient_norm or test_a_",
    )
    passed = re.search(r"(\d+) passed", printed)
    assert passed is not None and int(passed[1]) > 15


def test_its_style_is_that_of_the_house(copy: Path) -> None:
    diff = (copy / "gradient_norm.diff").read_text(encoding="utf-8")
    files: list[str] = re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE)
    assert len(files) == 2
    run(copy, sys.executable, "-m", "ruff", "check", *files)
    run(copy, sys.executable, "-m", "ruff", "format", "--check", *files)


@pytest.mark.slow
def test_one_command_puts_it_into_the_table(copy: Path) -> None:
    run(copy, sys.executable, "benchmarks/capabilities.py", "--only", "gradient_norm")
    printed = run(
        copy, sys.executable, "-c", "from pages import capabilities; print(capabilities.pages()['capabilities.md'])"
    )
    (row, _) = re.findall(r"^\| \[?`gradient_norm`.*$", printed, re.MULTILINE)
    assert "not tried" not in row and row.count("✓") >= 6

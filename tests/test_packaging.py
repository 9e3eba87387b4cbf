"""What a user installs and runs first: version, entry point, files in the package, Makefile targets."""

from __future__ import annotations

import os
import re
import tomllib
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
TARGETS = {
    *("help", "demo", "test", "test-slow", "test-faults", "test-lowest", "test-newest"),
    *("check", "fix", "bench", "licences", "sbom", "audit", "clean"),
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def make_rules() -> dict[str, str]:
    """The Makefile's rules: target → what it depends on."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):([^=#\n]*)", text, re.MULTILINE))


def test_the_installed_version_is_the_declared_one(project: dict[str, Any]) -> None:
    assert version(project["name"]) == project["version"]


def test_the_changelog_knows_the_version(project: dict[str, Any]) -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] in headings


def test_the_command_resolves_to_a_function() -> None:
    (script,) = entry_points(group="console_scripts", name="errata")
    assert callable(script.load())


def test_type_checkers_see_the_annotations() -> None:
    assert (Path(str(files("errata"))) / "py.typed").is_file()


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_an_embedded_model_is_complete(kind: str) -> None:
    folder = Path(str(files("errata"))) / "model" / "pocket" / kind
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "facts.jsonl"} <= names
    assert (folder / "model.safetensors").stat().st_size <= 16e6


def test_licence_and_notice_are_shipped(project: dict[str, Any]) -> None:
    assert project["license"] == "Apache-2.0"
    assert set(project["license-files"]) == {"LICENSE", "NOTICE"}
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for owed in ("Copyright (c) 2021 Yanai Elazar", "Permission is hereby granted", "CC0", "CC BY-SA 3.0"):
        assert owed in notice


def test_every_make_target_is_there_and_makes_its_environment() -> None:
    rules = make_rules()
    assert set(rules) >= TARGETS
    for target in TARGETS - {"help", "clean"}:
        assert "$(READY)" in rules[target], f"make {target} does not create .venv by itself"


def test_the_readme_starts_with_two_commands() -> None:
    block = re.search(r"```(?:sh|bash|console)?\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    commands = [line.split("#")[0].strip() for line in block.group(1).splitlines() if line.strip()]
    assert commands == ["make demo", "make test"]


def test_the_readme_names_only_commands_that_exist() -> None:
    from errata.cli import build

    known = {entry.name for entry in [*build().registered_commands, *build().registered_groups]}
    named = set(re.findall(r"^errata ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= known


def test_the_check_script_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")

"""What a user installs and runs first: version, entry point, files in the package, Makefile targets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
TARGETS = {
    *("help", "demo", "test", "test-slow", "test-faults", "test-lowest", "test-newest"),
    *("check", "fix", "bench", "fuzz", "house", "notebooks", "licences", "sbom", "audit", "clean"),
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


def test_the_citation_names_the_version(project: dict[str, Any]) -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == project["version"] and cited["license"] == project["license"]
    assert cited["authors"] == [{"name": "The Errata developers"}] and cited["cff-version"] == "1.2.0"


@pytest.mark.parametrize("name", ["check", "release"])
def test_a_workflow_pins_its_actions_and_runs_what_is_there(name: str) -> None:
    text = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", action) for action in used)
    assert all({*([job["needs"]] if "needs" in job else [])} <= set(jobs) for job in jobs.values())
    assert name == "check" or ("attest-build-provenance" in text and "unshare --net" in text and 'errata" demo' in text)
    assert name == "release" or ".ci/run" in text


def test_the_hooks_before_a_commit_are_local_and_there() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    assert all(entry.startswith(".venv/bin/") for entry in entries) and len(entries) >= 3
    assert all((ROOT / word).exists() for entry in entries for word in entry.split() if word.startswith("tests/"))


BLOCKED = """
import socket

def refuse(*_, **__):
    raise OSError("there is no network here")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


@pytest.mark.slow
def test_the_wheel_runs_the_demo_by_itself_and_without_a_network(tmp_path: Path, project: dict[str, Any]) -> None:
    """An environment that holds the wheel, sees the packages it depends on but not this project, and has no network."""
    building = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*building, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, timeout=600)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith("tests/")] and "errata/py.typed" in names
    assert {"errata/__init__.pyi", "errata/shipped.sha256", "errata/model/pocket/gelu/model.safetensors"} <= set(names)
    place = tmp_path / "clean"
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installing = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*installing, str(wheel)], check=True, timeout=600)
    (own,) = (place / "lib").glob("python*/site-packages") if os.name != "nt" else (place / "Lib/site-packages",)
    # A path added like this brings packages, and no .pth files of its own: so not this project's editable install.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    (own / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    plain = {name: held for name, held in os.environ.items() if not name.startswith(("PYTHON", "HF_", "ERRATA_"))}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(python), "-m", "errata.cli", *words],
            cwd=tmp_path,
            env={**plain, "ERRATA_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")},
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version") == f"errata {project['version']}\n"
    whole = json.loads(run("models", "--json"))["models"]
    assert all(Path(model["path"]).is_relative_to(place) for model in whole)
    assert json.loads(run("demo", "--json"))["weights_sha256"]["restored"]
    assert (tmp_path / "errata-demo/report.html").is_file()

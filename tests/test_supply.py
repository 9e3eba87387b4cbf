"""What Errata is built on: bounds that were tested at both ends, licences, a list of materials, known weaknesses."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from benchmarks import _audit
from benchmarks._licences import HEAD, direct, licence
from benchmarks._reliability_table import TABLES, fill
from benchmarks._resolutions import CORE, OUT, lower, requirements

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUPS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


@pytest.mark.parametrize("group", GROUPS)
def test_every_dependency_has_both_bounds(group: str) -> None:
    for found in map(Requirement, GROUPS[group]):
        if found.name != PROJECT["name"]:
            operators = sorted(one.operator for one in found.specifier)
            assert operators == ["<", ">="], f"{found}: give a lower and an upper bound"


def test_every_package_that_is_imported_is_declared() -> None:
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    homes = packages_distributions()
    others = {name for name in imported - sys.stdlib_module_names - {"errata"} if name in homes}
    needed = {canonicalize_name(homes[name][0]) for name in others}
    assert {"torch", "transformers", "fastapi"} <= needed
    assert needed - set(direct()) == set()


def test_licences_are_those_of_the_installed_packages() -> None:
    shown = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| "): line for line in shown.splitlines() if line.startswith("| ")}
    installed = {canonicalize_name(own) for owns in packages_distributions().values() for own in owns}
    for name in direct():
        if name in installed:
            assert name in rows and f"| {licence(name)} |" in rows[name], f"{name}: run `make licences`"
    assert set(direct()) <= set(rows)
    assert not re.search(r"\| (?:[^|]*\W)?A?GPL", shown), "a package under the GPL is needed to run"
    assert shown.startswith(HEAD)


def test_both_ends_were_tested() -> None:
    """With every dependency at its newest the core passed; what failed at the lower bounds is named on the page."""
    ends = json.loads(OUT.read_text(encoding="utf-8"))["ends"]
    assert set(ends) == {"lowest", "newest"}
    assert ends["newest"]["exit_code"] == 0 and ends["newest"]["failed_tests"] == []
    shown = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    for found in ends.values():
        assert found["tests"]["passed"] > 300 and len(found["failed_tests"]) == found["tests"].get("failed", 0)
        assert [name for name in found["failed_tests"] if name.split("::")[1].split("[")[0] not in shown] == []
    for name, asked in requirements().items():
        if name != "torch":
            assert Version(ends["lowest"]["versions"][name]) <= Version(lower(asked)), name
        assert ends["newest"]["versions"][name] in asked.specifier, name
    assert all((ROOT / name).exists() for name in CORE)


def test_the_installed_versions_are_within_the_bounds() -> None:
    for name, (asked, extras) in direct().items():
        if not extras:
            assert asked.specifier.contains(version(name), prereleases=True), name


@pytest.mark.slow
def test_the_list_of_materials_names_what_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="cyclonedx-bom is not installed")
    out = tmp_path / "sbom.json"
    words = ["-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml", "--mc-type", "library"]
    words += ["--output-format", "JSON", "--output-reproducible", "--output-file", str(out), sys.executable]
    rule = (ROOT / "Makefile").read_text(encoding="utf-8").replace(" \\\n\t\t", " ")
    assert " ".join(words[:-2]) in rule  # what the target does
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["bomFormat"] == "CycloneDX" and found["metadata"]["component"]["name"] == PROJECT["name"]
    listed = {canonicalize_name(one["name"]): one["version"] for one in found["components"]}
    for name, (_, extras) in direct().items():
        assert extras or listed[name] == version(name), name


BUG = {"id": "PYSEC-0", "fix_versions": ["2.0"]}
SOUND = {"name": "torch", "version": "1.0", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("listed", "code", "said"),
    [
        ([SOUND], 0, "1 packages asked about, 0 vulnerabilities known"),
        ([SOUND, {**SOUND, "vulns": [BUG]}], 1, "torch 1.0: PYSEC-0, mended in 2.0"),
        ([SOUND, SKIPPED], 0, "not checked: Dependency not found"),
        ([SKIPPED], 0, "NOT CHECKED"),
        (None, 0, "NOT CHECKED: no vulnerability service answered (Connection refused)"),
    ],
)
def test_an_audit_says_what_nobody_answered(
    listed: Any, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = "" if listed is None else json.dumps({"dependencies": listed})
    done = SimpleNamespace(stdout=answer, stderr="Traceback\nConnection refused\n")
    monkeypatch.setattr(_audit.subprocess, "run", lambda *_, **__: done)
    assert _audit.main([]) == code
    assert said in capsys.readouterr().out


def test_the_tables_of_reliability_are_those_of_the_result_files() -> None:
    shown = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->\n" in shown for name in TABLES)
    assert fill(shown) == shown


def test_nothing_went_wrong() -> None:
    found = {
        stem: json.loads((ROOT / f"benchmarks/results/{stem}.json").read_text()) for stem in ("fuzz", "reliability")
    }
    assert found["fuzz"]["crashes"] == sum(len(one["crashes"]) for one in found["fuzz"]["targets"].values()) == 0
    assert set(found["reliability"]["tests"]) <= {"passed", "skipped"} and found["reliability"]["seconds"] <= 30 * 60
    assert found["reliability"]["counts"]["kills survived"] >= 300

"""The demo from end to end: what it prints, what it writes, and that the weights are identical again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import errata
from errata.deltas import Edit
from tests.reports.test_html import read

pytestmark = pytest.mark.e2e
SECONDS = 600


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user does, in an empty directory, its output piped."""
    return subprocess.run(
        [sys.executable, "-m", "errata.cli", "demo", *options],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def check_report(path: Path, sha256: str) -> None:
    """The page is whole, loads nothing, and holds two figures with something in them."""
    page = path.read_text(encoding="utf-8")
    found = read(page)
    assert all(link.startswith("#") for link in found.links)
    assert "http:" not in page and "https:" not in page and "@import" not in page and "<script" not in page
    figures = page.split("<svg")[1:]
    assert len(figures) == 2
    heat, before_after = (figure.split("</svg>")[0] for figure in figures)
    assert heat.count("var(--heat)") > 20 and "·N" in heat
    assert before_after.count("var(--old)") >= 20 and before_after.count("var(--new)") >= 20
    assert before_after.count("var(--kept)") >= 10 and "Danielle Darrieux" in before_after
    assert page.count(sha256) == 2


def test_the_demo_tells_the_story_and_writes_the_report(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b[" not in done.stdout
    titles = ["Ask", "Locate", "Correct", "Check", "Undo", "Report"]
    places = [done.stdout.index(f" {number}  {title}  ") for number, title in enumerate(titles, start=1)]
    assert places == sorted(places)
    assert "identical, bit for bit" in done.stdout and "errata-demo/report.html" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110
    assert sorted(file.name for file in (tmp_path / "errata-demo").iterdir()) == ["edit.safetensors", "report.html"]
    sha256 = errata.load("pocket-gelu").weights_sha256()
    assert done.stdout.count(sha256) == 2
    check_report(tmp_path / "errata-demo" / "report.html", sha256)


def test_the_demo_as_json(tmp_path: Path) -> None:
    done = demo(tmp_path, "--model", "pocket-swiglu", "--out", "here", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    view = errata.load("pocket-swiglu")
    hashes = found["weights_sha256"]
    assert hashes["restored"] and hashes["before"] == hashes["undone"] == view.weights_sha256() != hashes["edited"]
    kinds = [row["kind"] for row in found["checks"]]
    assert kinds == ["prompt"] + 9 * ["paraphrase"] + 10 * ["neighbour"]
    assert len(found["probabilities"]) == 20
    for total, change in zip(found["locate"]["sums"], found["locate"]["change"], strict=True):
        assert abs(total - change) <= found["locate"]["gap"] * 1.001 + 1e-9
    assert Edit.load(tmp_path / found["edit_file"]).facts[0].subject == "Danielle Darrieux"
    check_report(tmp_path / found["report"], hashes["before"])

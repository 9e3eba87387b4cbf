"""Counts of passed tests are summed up and kept; those of failed ones are not."""

import json
from pathlib import Path

import pytest

from tests.faults import conftest

TESTS = """
import pytest
from tests.faults.conftest import *

def test_that_passes(counted):
    counted("things that went well", 2)

def test_that_passes_too(counted):
    counted("things that went well", 3)

def test_that_fails(counted):
    counted("things that went well", 100)
    assert False
"""


def test_only_what_went_well_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("counts", "outcomes"):
        monkeypatch.setattr(conftest, name, type(getattr(conftest, name))())
    monkeypatch.setenv(conftest.FILE, str(tmp_path / "reliability.json"))
    file = tmp_path / "test_inner.py"
    file.write_text(TESTS, encoding="utf-8")
    root = Path(__file__).parent.parent.parent
    command = ["-p", "tests.faults.conftest", "-p", "no:cacheprovider", "--rootdir", str(root), "-q", str(file)]
    assert pytest.main(command) == pytest.ExitCode.TESTS_FAILED
    kept = json.loads((tmp_path / "reliability.json").read_text(encoding="utf-8"))
    assert kept["counts"] == {"things that went well": 5}
    assert kept["tests"] == {"failed": 1, "passed": 2}
    assert "5  things that went well" in capsys.readouterr().out

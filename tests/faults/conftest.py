"""What the tests of faults count (kills survived, inputs tried, requests held), printed and kept.

A test that passes adds `counted("kills survived", 300)`; what goes wrong fails the test, so a count is of things that
went well. With ERRATA_RELIABILITY=FILE the sums of a run are written to that file, with its command and versions.
"""

import datetime
import json
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from errata.methods import versions
from errata.model.view import ModelView
from tests.tiny import tiny, tiny_model, tiny_tokenizer

COUNT = "count: "
FILE = "ERRATA_RELIABILITY"
Counted = Callable[[str, int], None]

counts: Counter[str] = Counter()
outcomes: Counter[str] = Counter()
began = time.monotonic()


@pytest.fixture(scope="session")
def _model() -> ModelView:
    return tiny("gpt2")


@pytest.fixture
def view(_model: ModelView) -> Iterator[ModelView]:
    """A tiny model that the tests share: unedited at the beginning of each."""
    yield _model
    _model.restore()


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Counted:
    """`counted(what, n)`: n more of something went well, should this test pass."""
    return lambda what, n: record_property(COUNT + what, n)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 and its tokenizer, saved."""
    path = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    tiny_model("gpt2").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.outcome == "passed":
        return
    outcomes[report.outcome] += 1
    if report.passed:
        for name, n in report.user_properties:
            if name.startswith(COUNT):
                counts[name.removeprefix(COUNT)] += int(str(n))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counts:
        terminalreporter.section("counted")
        for what, n in sorted(counts.items()):
            terminalreporter.line(f"{n:>9,}  {what}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = os.environ.get(FILE)
    if path is None or hasattr(session.config, "workerinput"):  # a worker of pytest-xdist: the first process writes
        return
    result = {
        "command": shlex.join(["make", "test-faults"]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "versions": versions(),
        "tests": dict(sorted(outcomes.items())),
        "seconds": round(time.monotonic() - began, 1),
        "cores": os.cpu_count(),
        "counts": dict(sorted(counts.items())),
    }
    Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

"""The OpenAPI document against the server: schemathesis finds no 500, and no answer that the document does not name.

What is posted runs: after the requests every job must have ended, and none by an error that nobody foresaw.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Counted
from tests.faults.served import Server, serving, until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)

# `positive_data_acceptance`: a body may fit the document and be refused for what it says (422), or because the queue is
# full (429). The others are about headers and logins that this API does not have. A stream of events has no end.
LEFT_OUT = "positive_data_acceptance,missing_required_header,ignored_auth"
CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 409, 413, 414, 422, 429, 431]
"""
FAST, WHOLE = 2, 60  # fuzzed cases a route, beside those at the edges of every field


@pytest.mark.parametrize(
    ("examples", "phases"),
    [(FAST, "fuzzing"), pytest.param(WHOLE, "examples,coverage,fuzzing,stateful", marks=pytest.mark.faults)],
)
def test_nothing_that_is_not_in_the_document(
    model: Path, tmp_path: Path, examples: int, phases: str, counted: Counted
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    with serving(model, tmp_path) as server:
        corrected(server)
        words = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml"), "run"]
        words += [f"http://127.0.0.1:{server.port}/openapi.json", "--checks", "all", "--exclude-checks", LEFT_OUT]
        words += ["--exclude-path", "/api/events", "--phases", phases, "--max-examples", str(examples)]
        words += ["--seed", "1", "--request-timeout", "60", "--continue-on-failure", "--no-color"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        until(lambda: not [job for job in jobs(server) if job["ends"]], 120)
        unforeseen = [job["error"] for job in jobs(server) if "Unexpected" in (job["error"] or "")]
    assert done.returncode == 0, "\n".join(line[:300] for line in done.stdout.splitlines()[-400:]) + done.stderr
    assert unforeseen == []
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-500:]
    counted("requests made from the API's document", int(found[1]))


def jobs(server: Server) -> list[dict[str, object]]:
    return json.loads(server.get("/api/jobs")[1])


def corrected(server: Server) -> None:
    """One correction in the ledger, so that there is something to undo, to compare and to export."""
    fact = {"subject": "France", "prompt": "The capital of {} is", "target": "Rome", "method": "ft_l"}
    number = json.loads(server.post("/api/preview", fact)[1])["id"]
    until(lambda: json.loads(server.get(f"/api/jobs/{number}")[1])["state"] == "done", 120)
    number = json.loads(server.post("/api/commit", {"preview": number, "despite_doubts": True})[1])["id"]
    until(lambda: json.loads(server.get(f"/api/jobs/{number}")[1])["state"] == "done", 60)

"""Two hundred requests a second while facts are corrected, taken back and put back: nothing is lost, nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from errata.ledger import Ledger
from errata.model.load import load
from tests.faults.conftest import Counted
from tests.faults.served import serving

pytest.importorskip("uvicorn", reason="the server needs uvicorn")

ROOT = Path(__file__).parent.parent.parent
RATE = 200
FAST, WHOLE = 3, 60  # seconds


@pytest.mark.parametrize("seconds", [FAST, pytest.param(WHOLE, marks=pytest.mark.faults)])
def test_two_hundred_requests_a_second(model: Path, tmp_path: Path, seconds: int, counted: Counted) -> None:
    with serving(model, tmp_path) as server:
        words = [sys.executable, "-m", "tests.faults.load", str(server.port), str(RATE), str(seconds)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=20 * seconds + 240)
        told = json.loads(server.get("/api/ledger?most=1000")[1])
    found = json.loads(done.stdout)
    print(found)  # shown where something is amiss, or with -s
    assert found["sent"] == RATE * seconds == sum(found["statuses"].values())
    assert (found["wrong"], found["unanswered"], found["person"]) == ([], [], None)
    assert set(found["statuses"]) <= {"200", "202", "404", "422", "429"}

    acknowledged = {int(number): applied for number, applied in found["edits"].items()}
    assert acknowledged and found["unknown"] == 0
    assert {entry["id"]: entry["applied"] for entry in told["entries"]} == acknowledged
    view = load(str(model))
    with Ledger.open(tmp_path / "corrections", view, create=False) as ledger:
        assert ledger.verify().ok
        assert {entry.id: entry.applied for entry in ledger.entries()} == acknowledged
    refused = found["statuses"].get("429", 0)
    counted("requests done at 200 a second", found["sent"] - refused)
    counted("requests refused with 429 at 200 a second", refused)
    counted("edits acknowledged under load and in the ledger", len(acknowledged))
    counted("undos and redos acknowledged under load", found["done"].get("undo", 0) + found["done"].get("redo", 0))

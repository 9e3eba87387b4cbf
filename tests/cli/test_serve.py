"""`errata serve`: what it refuses before anything is loaded, and that it serves until it is told to stop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_another_address_needs_a_token(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERRATA_TOKEN", raising=False)
    refused = run("serve", folder, "--host", "0.0.0.0", "--json")
    assert refused.code == 2 and "--token" in refused.json["error"]
    assert "16 ASCII" in run("serve", folder, "--token", "short", "--json").json["error"]


def test_a_port_that_is_taken_is_named(run: Run, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", folder, "--port", taken.getsockname()[1], "--json")
    assert refused.code == 2 and "choose another" in refused.json["error"]


def test_a_model_or_a_ledger_is_needed(run: Run) -> None:
    refused = run("serve", "--port", 0, "--json")
    assert refused.code == 2 and "There is no ledger at corrections" in refused.json["error"]


def test_it_serves_a_model_until_it_is_told_to_stop(folder: Path, tmp_path: Path) -> None:
    words = ["serve", str(folder), "--port", "0", "--json", "--ledger", str(tmp_path / "corrections")]
    process = subprocess.Popen([sys.executable, "-m", "errata.cli", *words], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        with urllib.request.urlopen(f"{told['url']}api/state") as answer:
            state = json.load(answer)
        assert state["model"]["name"] == told["model"] and told["token"] is False
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not (tmp_path / "corrections").exists()

"""Tokens and keys are in nothing that is written or printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from errata.cli import main
from tests.endpoint import endpoint
from tests.faults.conftest import Counted

SECRET = "hf_AbCdEfGhIjKlMnOpQrStUvWx"
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "ERRATA_TOKEN", "OPENAI_API_KEY")
FACT = ["--subject", "Danielle Darrieux", "--prompt", "The mother tongue of {} is", "--target", "English"]


@pytest.mark.faults
def test_results_pages_and_cards_hold_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], counted: Counted
) -> None:
    """Every file that a correction, its measurement, its report and its export write, with secrets all around."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.setenv(name, SECRET)

    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["errata", *words])
        assert main(list(words)) == 0, capsys.readouterr()

    with endpoint() as fake:
        fake.reply = lambda _: "yes"
        judge = ["--protocol", "judge", "--judge-url", fake.url, "--judge-model", "m"]
        run("evaluate", "--method", "ft_l", "--cases", "1", *judge, "--out", "results.jsonl", "--json")
        assert fake.got and all(asked[1] == f"Bearer {SECRET}" for asked in fake.got)
    run("edit", "pocket-gelu", *FACT, "--method", "ft_l", "--yes")
    run("report", "report.html")
    run("export", "peft", "adapter", "--ledger", "corrections")
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"results.jsonl", "report.html", "README.md", "errata.json", "ledger.sqlite"} <= {one.name for one in files}
    assert [str(path) for path in files if SECRET.encode() in path.read_bytes()] == []
    header = json.loads((tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert header["command"].startswith("errata evaluate")
    counted("places without a secret", len(files) + 1)

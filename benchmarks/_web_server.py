"""A server of the page in a process of its own, and a browser to look at it with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def serving(ledger: Path, model: str = "pocket-gelu") -> Iterator[str]:
    """The address of a server on a free port, which ends with the block."""
    process, url = start(ledger, model)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def start(ledger: Path, model: str = "pocket-gelu", port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """A server's process and its address, once it listens."""
    words = ["serve", model, "--ledger", str(ledger), "--port", str(port), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "errata.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "}\n":
        lines.append(process.stdout.readline())
        if not lines[-1]:
            raise RuntimeError(f"The server did not start: exit code {process.wait()}.")
    return process, json.loads("".join(lines))["url"]


def chromium() -> str | None:
    """The Chromium that is installed, if one is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser; as root it needs to run without its sandbox."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # tests skip where there is none

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield found
        finally:
            found.close()

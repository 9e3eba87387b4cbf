"""Ctrl-C in the middle of an edit: exit code 130, and nothing half done."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

# Runs an edit, and presses Ctrl-C as soon as the main thread is optimising.
SCRIPT = """
import os, signal, sys, threading, time
from errata.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with Ctrl-C ignored

def press() -> None:
    while True:
        frame = sys._current_frames()[threading.main_thread().ident]
        while frame is not None:
            if frame.f_code.co_name == "optimise_values":
                return os.kill(os.getpid(), signal.SIGINT)
            frame = frame.f_back
        time.sleep(0.01)

threading.Thread(target=press, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


def test_an_interrupted_edit_leaves_no_trace(tmp_path: Path) -> None:
    fact = ["--subject", "Danielle Darrieux", "--prompt", "The mother tongue of {} is", "--target", "Telugu", "--yes"]
    small = ["--set", "covariance_tokens=500", "--set", "context_lengths=[2]", "--set", "values.steps=1000"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "edit", "pocket-gelu", *fact, *small, "--set", "values.stop=0.0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

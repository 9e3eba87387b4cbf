"""The real data and models of ../shared, where they are there."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def shared(path: str) -> Path:
    """A file of ../shared; without it the test is skipped, except where the environment is complete (CI)."""
    found = SHARED / path
    if not found.exists():
        message = f"../shared/{path} is not there: the tests with real tokenizers and data need it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found

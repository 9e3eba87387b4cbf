"""The marker of tests that run the whole command in a process of its own."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "e2e: runs whole commands in processes of their own")

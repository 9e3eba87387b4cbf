"""Directories that a disk's faults are tried in: a disk of a given size, and one that nothing may be written to."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[Path]:
    """A new directory on a disk of so many bytes."""
    path.mkdir()
    with _mounted(path, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield path


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """What is in a folder, where nothing may be written; root, whom permissions do not bind, needs a mount for that."""
    if os.geteuid() == 0:
        place = folder.with_name(f"closed {folder.name}")
        place.mkdir()
        with _mounted(place, "--bind", str(folder)):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], capture_output=True, check=True)
            yield place
        return
    with ExitStack() as stack:
        for path in [folder, *folder.rglob("*")]:
            stack.callback(path.chmod, path.stat().st_mode)
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield folder


@contextmanager
def _mounted(path: Path, *options: str) -> Iterator[None]:
    """A file system at a directory; skips the test where the system does not let it be mounted."""
    try:
        done = subprocess.run(["mount", *options, str(path)], capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("needs a file system of its own, which this system does not let the tests mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=True)

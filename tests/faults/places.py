"""Directories that a disk's faults are tried in: a disk of a given size, and one that nothing may be written to."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

WHY_NOT = "needs a file system of its own, which this system does not let the tests mount"


@contextmanager
def _mounted(path: Path, *options: str) -> Iterator[Path]:
    path.mkdir()
    try:
        done = subprocess.run(["mount", *options, str(path)], capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip(WHY_NOT)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(size)`: a directory on a disk of so many bytes."""
    with ExitStack() as stack:
        yield lambda size: stack.enter_context(
            _mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
        )


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """`read_only(folder)`: the same folder where nothing may be written; root needs a mount for that."""
    if os.name == "posix" and os.geteuid() != 0:
        with ExitStack() as stack:

            def closed(folder: Path) -> Path:
                for path in [folder, *folder.rglob("*")]:
                    stack.callback(path.chmod, path.stat().st_mode)
                    path.chmod(0o555 if path.is_dir() else 0o444)
                return folder

            yield closed
        return
    with ExitStack() as stack:

        def bound(folder: Path) -> Path:
            place = stack.enter_context(_mounted(tmp_path / f"closed {folder.name}", "--bind", str(folder)))
            subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], capture_output=True, check=True)
            return place

        yield bound

"""The memory that a piece of work takes beyond what is held before it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch


def peak_of(run: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that `run` takes at most beyond what is held, on its device; None on a system that does not tell.

    Without a CUDA device that is any but Linux with glibc.
    """
    if device.type == "cuda":
        return peak_on_card(run, device)
    try:
        _settle()
    except (OSError, AttributeError):
        run()
        return None
    return peak_in_process(run)


def peak_in_process(run: Callable[[], object]) -> int:
    """The most bytes that this process held during `run` beyond what it held before; raises where none are told."""
    _settle()
    held = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - held)


def peak_on_card(run: Callable[[], object], device: torch.device) -> int:
    """The most bytes that `run` held on a CUDA device beyond what was held there before."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_allocated(device)
    run()
    return torch.cuda.max_memory_allocated(device) - held


def _settle() -> None:
    """Give back to the system what the allocator keeps of earlier work, which would make `run` look smaller."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(name: str) -> int:
    """Bytes that Linux names under `name` for this process; raises OSError where it names none."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status names no {name}.")

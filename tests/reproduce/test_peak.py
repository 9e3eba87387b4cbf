"""The peak of a known allocation."""

from pathlib import Path

import pytest
import torch

from errata.reproduce.peak import peak_of

SIZE = 64 << 20
CPU = torch.device("cpu")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process its peak")
def test_an_allocation_that_is_gone_again_is_seen() -> None:
    found = peak_of(lambda: torch.ones(SIZE // 4).sum(), CPU)
    assert found is not None and 0.9 * SIZE < found < 1.5 * SIZE
    small = peak_of(lambda: None, CPU)
    assert small is not None and small < 0.1 * SIZE


def test_the_work_is_done_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr("errata.reproduce.peak.ctypes.CDLL", refuse)
    done: list[int] = []
    assert peak_of(lambda: done.append(1), CPU) is None and done == [1]

"""Steps are told to the listener of the block, and to no other."""

from __future__ import annotations

import pytest

from errata.progress import listening, steps


def test_a_listener_hears_every_step_before_it_is_made() -> None:
    heard: list[tuple[str, int, int]] = []
    with listening(lambda *told: heard.append(told)):
        for step in steps(3, "counting"):
            assert heard[-1] == ("counting", step, 3)
    assert [done for _, done, _ in heard] == [0, 1, 2]
    assert list(steps(2, "counting")) == [0, 1] and len(heard) == 3


def test_a_listener_can_end_the_work() -> None:
    def enough(_what: str, done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    made = []
    with pytest.raises(KeyboardInterrupt), listening(enough):
        for step in steps(5, "counting"):
            made.append(step)
    assert made == [0, 1]

"""What the tests of kills stand on: a death leaves nothing behind in the processes that come after it."""

import pytest
from tqdm import tqdm
from tqdm.std import TqdmDefaultWriteLock

from tests.faults.killing import Say, die, needs_fork, run

pytestmark = needs_fork


class Kept(tqdm):
    """A progress bar with a lock of its own, as tqdm gives those of its subclasses that are used before it."""

    _lock = TqdmDefaultWriteLock()


@pytest.mark.parametrize("bar", [tqdm, Kept])
def test_a_lock_that_a_killed_process_held_is_free_for_the_next(bar: type[tqdm]) -> None:
    """tqdm's is a semaphore that forked processes share with their parent."""

    def hold(say: Say) -> None:
        with bar.get_lock():
            say("held")
            die()

    def take(say: Say) -> None:
        with bar.get_lock():
            say("taken")

    assert run(hold).said == ["held"]
    assert run(take, seconds=3).said[:1] == ["taken"]

"""What the tests of kills stand on: a death leaves nothing behind in the processes that come after it."""

from tqdm import tqdm

from tests.faults.killing import Say, die, needs_fork, run

pytestmark = needs_fork


def test_a_lock_that_a_killed_process_held_is_free_for_the_next() -> None:
    """tqdm's is a semaphore that forked processes share with their parent."""
    tqdm.get_lock()

    def hold(say: Say) -> None:
        with tqdm.get_lock():
            say("held")
            die()

    def take(say: Say) -> None:
        say(str(tqdm.get_lock().acquire(timeout=3)))

    assert run(hold).said == ["held"]
    assert run(take).said == ["True"]

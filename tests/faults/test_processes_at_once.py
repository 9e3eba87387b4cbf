"""Many processes write to one ledger: each waits for the others or is told to, and no edit is lost."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from errata.desk.opening import has_ledger, taken_back
from errata.errors import LedgerError
from errata.ledger import Ledger, verify
from errata.ledger.store import Store
from errata.model.view import ModelView
from tests.faults.conftest import Counted
from tests.faults.killing import KILLS, Say, Work, few_or_many, needs_fork, run, together
from tests.ledger.conftest import bits, equal, random_edit
from tests.tiny import tiny

pytestmark = needs_fork

BUSY = "being written by another process"
MEANWHILE = "another process changed the ledger"


def patiently(change: Callable[[], object], say: Say) -> None:
    """Try until the others let it; any other error is one."""
    while True:
        try:
            change()
            return
        except LedgerError as error:
            assert BUSY in str(error), error
            say("busy")


def writer(path: Path, view: ModelView, own: int, count: int) -> Work:
    """Open the ledger, which all make at once; apply `count` edits, and undo and redo some of its own."""

    def write(say: Say) -> None:
        draw, ledgers, mine = random.Random(own), list[Ledger](), list[int]()
        patiently(lambda: ledgers.append(Ledger.open(path, view)), say)
        with ledgers[0] as ledger:
            for at in range(count):
                edit = random_edit(view, 1000 * own + at, (at % 3,))
                patiently(lambda edit=edit: mine.append(ledger.apply(edit)), say)
                say(f"apply {mine[-1]}")
                if draw.random() < 0.5:
                    number = draw.choice(mine)
                    patiently(lambda number=number: ledger.undo(number), say)
                    say(f"undo {number}")
                    patiently(lambda number=number: ledger.redo(number), say)
                    say(f"redo {number}")

    return write


def reader(path: Path, view: ModelView, count: int) -> Work:
    """Check the ledger again and again while it is being written."""

    def read(say: Say) -> None:
        checked = 0
        while checked < count:
            try:
                report = Ledger.verify_at(path, view)
            except LedgerError as error:
                assert BUSY in str(error) or "no ledger" in str(error), error
                continue
            assert all(MEANWHILE in problem for problem in report.problems), report.problems
            checked += 1
            say(f"checked {report.checked}")

    return read


@pytest.mark.parametrize(
    ("writers", "count"), [pytest.param(3, 4, id="few"), pytest.param(8, 25, id="many", marks=pytest.mark.faults)]
)
def test_many_processes_write_at_once(
    view: ModelView, tmp_path: Path, counted: Counted, writers: int, count: int
) -> None:
    path = tmp_path / "ledger"
    ends = together([*(writer(path, view, own, count) for own in range(writers)), reader(path, view, count)])
    said = [line for end in ends[:-1] for line in end.said if line != "busy"]
    with Ledger.open(path, view) as ledger:
        assert [entry.id for entry in ledger.entries()] == list(range(1, writers * count + 1)) == list(ledger.applied)
        assert Counter(f"{event.kind} {event.edit}" for event in ledger.events()) == Counter(said)
        report = ledger.verify()
        assert report.ok, report.problems
        for own in range(writers):
            seeds = [ledger.edit(n).settings["seed"] for n in ledger.applied]
            assert [seed for seed in seeds if seed // 1000 == own] == [1000 * own + at for at in range(count)]
    counted("changes by processes that write at once", len(said))


@few_or_many(2, 30)
def test_a_process_that_is_killed_lets_the_others_go_on(
    view: ModelView, tmp_path: Path, counted: Counted, kills: int
) -> None:
    """Its lock goes with it, and what it had begun is not there."""
    path, draw = tmp_path / "ledger", random.Random(0)
    survived, mine = 0, 0
    with Ledger.open(path, view) as ledger:
        while survived < kills:
            view.restore()
            end = run(writer(path, view, 10_000 + survived + mine, 3), seconds=draw.uniform(0, 0.5))
            survived += end.killed
            patiently(lambda number=mine: ledger.apply(random_edit(view, number)), lambda _: None)
            mine += 1
            report = ledger.verify()
            assert report.ok, report.problems
            assert len(ledger.entries()) >= mine
    counted(KILLS, survived)
    counted("kills survived by other processes", survived)


def test_a_check_sees_one_moment(view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that is undone between the reading of the edits and of the events is no contradiction."""
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
        events, refused = Store.events, list[str]()

        def meanwhile(self: Store) -> object:
            other = Store.open(tmp_path, None)
            try:
                with other.transaction():
                    other.mark(1, False)
                    other.log("undo", 1)
                    other.commit()
            except LedgerError as error:
                refused.append(str(error))
            finally:
                other.close()
            return events(self)

        monkeypatch.setattr("errata.ledger.database.BUSY_SECONDS", 0.05)
        monkeypatch.setattr(Store, "events", meanwhile)
        assert verify.files(ledger._store, view).ok
        assert BUSY in refused[0]


def test_a_ledger_that_is_taken_back_keeps_the_edits_of_others(view: ModelView, tmp_path: Path) -> None:
    """Two processes make a ledger; one of them fails."""
    path = tmp_path / "ledger"
    with pytest.raises(RuntimeError), taken_back(path):
        Ledger.open(path, view).close()
        run(lambda _: Ledger.open(path, view).apply(random_edit(view, 0)) and None)
        raise RuntimeError
    with Ledger.open(path, view) as ledger:
        assert ledger.applied == (1,) and ledger.verify().ok


def test_who_has_a_ledger_open_that_is_taken_back_is_told_so(view: ModelView, tmp_path: Path) -> None:
    path, other = tmp_path / "ledger", tiny("gpt2")
    with pytest.raises(RuntimeError), taken_back(path):
        Ledger.open(path, view).close()
        left = Ledger.open(path, other)
        raise RuntimeError
    assert not path.exists()
    before = bits(other)
    with pytest.raises(LedgerError):
        left.apply(random_edit(other, 0))
    assert equal(bits(other), before)
    left.close()


def test_a_database_that_was_only_begun_is_no_ledger(view: ModelView, tmp_path: Path) -> None:
    """As a process leaves it that is killed while it makes a ledger: the next one makes it anew."""
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    assert not has_ledger(tmp_path)
    with Ledger.open(tmp_path, view) as ledger:
        ledger.apply(random_edit(view, 0))
    assert has_ledger(tmp_path)

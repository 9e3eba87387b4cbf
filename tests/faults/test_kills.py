"""A process that is killed at any point loses nothing that was acknowledged, and leaves nothing half done."""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from errata.deltas import Edit
from errata.export import merged, peft_adapter
from errata.export.incoming import source_of, take
from errata.export.manifest import Manifest
from errata.ledger import Ledger
from errata.model.view import ModelView, fold
from errata.sequences import Kept, before, run
from tests.faults.conftest import Counted
from tests.faults.killing import KILLS, Killer, Say, few_or_many, needs_fork
from tests.faults.killing import run as rehearse
from tests.ledger.conftest import bits, equal, random_edit
from tests.sequences.planted import Planted, battery

pytestmark = needs_fork

# What is done to a ledger, and what its log must then say. A change is ("apply", seed, subject) or (verb, number).
Change = tuple[Any, ...]


@dataclass(frozen=True)
class Log:
    """What a ledger must hold: its events, its edits by id, and which of them are applied."""

    events: tuple[tuple[str, int, int | None], ...] = ()
    edits: dict[int, tuple[int, str]] = field(default_factory=dict)
    applied: tuple[int, ...] = ()

    def after(self, change: Change) -> "Log":
        """The log with one more change, as the ledger's documentation describes it."""
        verb, number = change[:2]
        if verb == "apply":
            seed, subject = change[1:]
            number = len(self.edits) + 1
            rivals = tuple(known for known in self.applied if self.edits[known][1] == subject)
            events = (("apply", number, None), *(("supersede", rival, number) for rival in rivals))
            applied = (*(known for known in self.applied if known not in rivals), number)
            return Log(self.events + events, {**self.edits, number: (seed, subject)}, applied)
        gone = tuple(known for known in reversed(self.applied) if known > number) if verb == "undo_to" else (number,)
        if verb == "redo":
            return Log((*self.events, ("redo", number, None)), self.edits, tuple(sorted((*self.applied, number))))
        events = tuple(("undo", known, None) for known in gone)
        return Log(self.events + events, self.edits, tuple(known for known in self.applied if known not in gone))


def changes(log: Log, draw: random.Random) -> Iterator[Change]:
    """Changes that a ledger with this log takes, without end."""
    while True:
        subjects = {log.edits[number][1] for number in log.applied}
        undone = [n for n, (_, subject) in log.edits.items() if n not in log.applied and subject not in subjects]
        verb = draw.choice(["apply", "apply", "supersede", "undo", "redo", "undo_to"])
        if verb == "undo" and log.applied:
            change: Change = ("undo", draw.choice(log.applied))
        elif verb == "redo" and undone:
            change = ("redo", draw.choice(undone))
        elif verb == "undo_to" and log.applied and draw.random() < 0.3:
            change = ("undo_to", draw.choice([0, *log.edits]))
        elif verb == "supersede" and subjects:
            change = ("apply", draw.randrange(10**6), draw.choice(sorted(subjects)))
        else:
            change = ("apply", draw.randrange(10**6), f"Subject {len(log.edits)}")
        yield change
        log = log.after(change)


def edit_of(view: ModelView, seed: int, subject: str) -> Edit:
    return random_edit(view, seed, (seed % 3, (seed + 1) % 3), 1 + seed % 3, subject)


def do(ledger: Ledger, view: ModelView, change: Change) -> None:
    verb, *values = change
    if verb == "apply":
        ledger.apply(edit_of(view, *values), supersede=True)
    else:
        getattr(ledger, verb)(*values)


def says_what_it_does(path: Path, view: ModelView, log: Log, seed: int, count: int) -> Callable[[Say], None]:
    """Open the ledger and make changes, each announced before and acknowledged after."""

    def work(say: Say) -> None:
        with Ledger.open(path, view) as ledger:
            for change, _ in zip(changes(log, random.Random(seed)), range(count), strict=False):
                say(json.dumps(change))
                do(ledger, view, change)
                say("done")

    return work


def acknowledged(said: Sequence[str]) -> tuple[list[Change], list[Change]]:
    """The changes that had returned, and the one, if any, that had not."""
    made = [tuple(json.loads(line)) for line in said if line != "done"]
    done = said.count("done")
    return made[:done], made[done:]


def held(ledger: Ledger) -> tuple[object, ...]:
    return tuple((event.kind, event.edit, event.by) for event in ledger.events()), ledger.applied


def check_sound(ledger: Ledger, view: ModelView, log: Log, base: Sequence[torch.Tensor]) -> None:
    """The ledger is this log, whole: every edit has its bytes, and the weights are the fold of the log."""
    assert held(ledger) == (log.events, log.applied)
    assert len(ledger.entries()) == len(log.edits)
    edits = {number: edit_of(view, *log.edits[number]) for number in log.edits}
    for number, edit in edits.items():
        assert ledger.edit(number).to_bytes() == edit.to_bytes()
    for layer, weight in enumerate(base):
        deltas = [d for number in log.applied for d in edits[number].deltas if d.layer == layer]
        assert torch.equal(view.weight(layer), fold(weight, deltas))
    report = ledger.verify()
    assert report.ok, report.problems


@few_or_many(10, 200)
def test_changes(view: ModelView, tmp_path: Path, counted: Counted, kills: int) -> None:
    """Each ledger is killed again and again, so that what one death left behind is there at the next."""
    base = [view.weight(layer).clone() for layer in range(view.n_layers)]
    killer = Killer(rehearse(says_what_it_does(tmp_path / "rehearsal", view, Log(), 0, 5)))
    log, path = Log(), tmp_path / "0"

    def more(seed: int) -> Callable[[Say], None]:
        return says_what_it_does(path, view, log, seed, 5)

    for seed, end in killer.until(kills, more):
        done, pending = acknowledged(end.said)
        for change in done:
            log = log.after(change)
        with Ledger.open(path, view) as ledger:
            if pending and held(ledger)[0] != log.events:
                log = log.after(pending[0])
            check_sound(ledger, view, log, base)
        view.restore()
        if seed % 10 == 0:
            shutil.rmtree(path)
            log, path = Log(), tmp_path / str(seed)
    counted(KILLS, kills)
    counted("kills survived by apply, undo, redo, supersede and undo_to", kills)


@few_or_many(2, 25)
def test_sequences(view: ModelView, tmp_path: Path, counted: Counted, kills: int) -> None:
    """A sequence that is killed goes on where it was, to the same edits and the same weights."""
    asked = before(view, battery(4))

    def work(path: Path) -> Callable[[Say], None]:
        def edit(say: Say) -> None:
            with Ledger.open(path, view) as ledger:
                book = Kept.of(ledger)
                list(
                    run(view, Planted(), battery(4), 1, book, 9, unedited=asked, told=lambda step: say(f"{step.edit}"))
                )

        return edit

    def found(path: Path) -> tuple[list[bytes], dict[str, torch.Tensor]]:
        with Ledger.open(path, view) as ledger:
            assert ledger.verify().ok
            found = [ledger.edit(number).to_bytes() for number in ledger.applied], bits(view)
        view.restore()
        return found

    killer = Killer(rehearse(work(tmp_path / "whole")))
    edits, weights = found(tmp_path / "whole")
    for seed, end in killer.until(kills, lambda seed: work(tmp_path / str(seed))):
        path = tmp_path / str(seed)
        partly = found(path)[0]
        done = len([line for line in end.said if line.isdecimal()])
        assert partly in (edits[:done], edits[: done + 1])
        assert not rehearse(work(path)).killed
        again = found(path)
        assert again[0] == edits and equal(again[1], weights)
        shutil.rmtree(path)
    counted(KILLS, kills)
    counted("kills survived by sequences", kills)


@few_or_many(4, 60)
@pytest.mark.parametrize("kind", ["ledger", "adapter"])
def test_imports(view: ModelView, tmp_path: Path, counted: Counted, kills: int, kind: str) -> None:
    """All of an import is there, or none of it, and what it would have superseded is as it was."""
    with Ledger.open(tmp_path / "source", view) as source:
        for seed in range(5):
            source.apply(random_edit(view, seed))
        source.undo(2)
        peft_adapter.write(view, source, tmp_path / "adapter", cases=())
    view.restore()
    incoming = source_of(tmp_path / ("source" if kind == "ledger" else "adapter"))
    with Ledger.open(tmp_path / "before", view) as ledger:
        ledger.apply(random_edit(view, 4, (1,)))
        ledger.apply(random_edit(view, 9, (1,)))
        one = held(ledger), bits(view)
    view.restore()

    def work(path: Path) -> Callable[[Say], None]:
        shutil.copytree(tmp_path / "before", path)

        def bring(say: Say) -> None:
            with Ledger.open(path, view) as ledger:
                say(str(take(incoming, view, ledger, supersede=True)))

        return bring

    def found(path: Path) -> tuple[object, dict[str, torch.Tensor]]:
        with Ledger.open(path, view) as ledger:
            assert ledger.verify().ok
            state = held(ledger), bits(view)
        view.restore()
        return state

    killer = Killer(rehearse(work(tmp_path / "whole")))
    all_of_it = found(tmp_path / "whole")
    for seed, end in killer.until(kills, lambda seed: work(tmp_path / str(seed))):
        path = tmp_path / str(seed)
        state = found(path)
        wanted = all_of_it if end.said else one if state[0] == one[0] else all_of_it
        assert state[0] == wanted[0] and equal(state[1], wanted[1])
        shutil.rmtree(path)
    counted(KILLS, kills)
    counted("kills survived by imports", kills)


@few_or_many(3, 40)
@pytest.mark.parametrize("form", ["peft", "merged"])
def test_exports(view: ModelView, tmp_path: Path, counted: Counted, kills: int, form: str) -> None:
    """An export is there whole or not at all; one that takes another's place leaves the old one or the new one."""
    write = {"peft": peft_adapter.write, "merged": merged.write}[form]

    def work(book: str, place: Path) -> Callable[[Say], None]:
        def export(say: Say) -> None:
            with Ledger.open(tmp_path / book, view) as ledger:
                say(write(view, ledger, place, cases=(), overwrite=True).weights_sha256)

        return export

    for book, seeds in (("old", (1,)), ("new", (1, 2))):
        with Ledger.open(tmp_path / book, view) as ledger:
            for seed in seeds:
                ledger.apply(random_edit(view, seed))
        view.restore()
    place = tmp_path / "place" / "out"
    place.parent.mkdir()
    old = rehearse(work("old", place))
    shutil.copytree(place, tmp_path / "kept")
    killer = Killer(rehearse(work("new", place)))
    (new,) = killer.rehearsal.said

    def again(seed: int) -> Callable[[Say], None]:
        shutil.rmtree(place)
        if seed % 2:
            shutil.copytree(tmp_path / "kept", place)
        return work("new", place)

    for seed, end in killer.until(kills, again):
        found = whole_export(place)
        assert found in ([new] if end.said else [*old.said, new] if seed % 2 else [None, new])
        assert not rehearse(work("new", place)).killed
        assert whole_export(place) == new
        assert list(place.parent.iterdir()) == [place], "what the killed process left is cleared away"
    counted(KILLS, kills)
    counted("kills survived by exports", kills)


def whole_export(place: Path) -> str | None:
    """The SHA-256 of the weights that an export holds; None where there is none; fails for one that is not whole."""
    if not place.exists():
        return None
    manifest = Manifest.load(place)
    manifest.refuse_changed(place)
    assert {*manifest.files, "errata.json", "README.md"} == {path.name for path in place.iterdir()}
    return manifest.weights_sha256

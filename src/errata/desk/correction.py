"""Correct one fact: refuse what cannot be, compute the edit, look at its effect, and only then write it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

from errata.deltas import Edit, WeightDelta
from errata.desk.opening import has_ledger, open_view, taken_back, view_for
from errata.errors import ConflictError, InputError
from errata.evaluation import Comparison, check, compare
from errata.evaluation.kept import keep, measured_alone
from errata.facts import Case, Fact
from errata.ledger import Entry, Ledger
from errata.methods import Editor
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """An edit of one case with what it changes; `supersedes` are the ids of the edits that give way to it."""

    case: Case
    edit: Edit
    comparison: Comparison
    supersedes: tuple[int, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """One sentence for each reason to think again before writing the edit."""
        found: list[str] = []
        if not self.comparison.took:
            after = self.comparison.prompt.after
            found.append(f"The prompt still gives {after.answer!r}, not {after.expected!r}.")
        worse = len(self.comparison.worse)
        if worse:
            found.append(f"{worse} of {len(self.comparison.changes)} checks got worse.")
        return tuple(found)


@final
class Desk:
    """A model, and the directory of the ledger that its corrections go to.

    The ledger is opened, and made if there is none, by the first correction that is written, so that a correction that
    fails leaves no trace.
    """

    def __init__(self, view: ModelView, directory: Path, ledger: Ledger | None = None) -> None:
        self.view = view
        self._directory = directory
        self._ledger = ledger

    def prepare(self, case: Case, editor: Editor, supersede: bool = False) -> Correction:
        """Compute the edit of a case and what it changes; nothing is written.

        Raises InputError when the model gives the target already, ConflictError when an applied edit is about the same
        fact and shall not be superseded.
        """
        before = check(self.view, case)
        if before.prompt.right:
            said, where = before.prompt.expected, case.fact.text
            raise InputError(f"The model says {said!r} behind {where!r} already: there is nothing to change.")
        rivals = self._rivals(case.fact)
        if rivals and not supersede:
            raise _conflict(case.fact, tuple(entry.id for entry in rivals))
        with self._without(rivals):
            edit = keep(editor.edit(self.view, [case.fact]), [case])
            with self.view.applied(edit.deltas):
                after = check(self.view, case)
        return Correction(case, edit, compare(before, after), tuple(entry.id for entry in rivals))

    def commit(self, edit: Edit, supersede: bool = False) -> int:
        """Write an edit to the ledger and the model; returns its id."""
        ledger = self.find()
        if ledger is None:
            return self._begin(edit)
        try:
            return ledger.apply(edit, supersede)
        except ConflictError as error:
            raise _conflict(edit.facts[0], error.ids) from error

    def _begin(self, edit: Edit) -> int:
        """Make the ledger with its first edit: both, or nothing."""
        with taken_back(self._directory):
            ledger = Ledger.open(self._directory, self.view)
            try:
                number = ledger.apply(edit)
            except BaseException:
                ledger.close()
                raise
        self._ledger = ledger
        return number

    @property
    def ledger(self) -> Ledger | None:
        """The ledger; None before the first correction."""
        return self._ledger

    def find(self) -> Ledger | None:
        """The ledger, opened where another process has made it meanwhile; None where there is none yet."""
        if self._ledger is None and has_ledger(self._directory):
            self._ledger = Ledger.open(self._directory, self.view, create=False)
        return self._ledger

    @property
    def directory(self) -> Path:
        """Where the ledger is, or will be."""
        return self._directory

    @contextmanager
    def unedited(self) -> Generator[None]:
        """The model as it is without its ledger, inside the block."""
        self.view.restore()
        try:
            yield
        finally:
            if self._ledger is not None:
                self._ledger.refresh()

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()

    def _rivals(self, fact: Fact) -> list[Entry]:
        entries = self._ledger.entries() if self._ledger is not None else ()
        return [entry for entry in entries if entry.applied and fact.key in {known.key for known in entry.facts}]

    @contextmanager
    def _without(self, rivals: list[Entry]) -> Generator[None]:
        """The model without edits that will give way, so that the new one is computed on the weights it will meet."""
        ledger = self._ledger
        deltas = [delta for entry in rivals if ledger is not None for delta in ledger.edit(entry.id).deltas]
        with self.view.applied(map(_negative, deltas)):
            yield


@contextmanager
def desk(directory: Path, model: str | None, dtype: str | None, device: str) -> Generator[Desk]:
    """Load a model, the ledger's own by default, corrected by the ledger in a directory if there is one.

    Raises InputError where there is neither a model nor a ledger.
    """
    if has_ledger(directory):
        view = view_for(directory, model, dtype, device)
        found = Desk(view, directory, Ledger.open(directory, view, create=False))
    else:
        if model is None:
            raise InputError(
                f"There is no ledger at {directory} that names a model: give one, for example pocket-gelu."
            )
        found = Desk(open_view(model, dtype, device), directory)
    try:
        yield found
    finally:
        found.close()


def correction_row(found: Correction) -> dict[str, Any]:
    """A correction as plain values for JSON."""
    return {
        "fact": asdict(found.case.fact),
        "method": found.edit.method,
        "settings": dict(found.edit.settings),
        "measured": measured_alone(found.edit),
        "norm": found.edit.norm(),
        "supersedes": list(found.supersedes),
        **found.comparison.to_dict(),
    }


def _negative(delta: WeightDelta) -> WeightDelta:
    return replace(delta, left=-delta.left)


def _conflict(fact: Fact, ids: tuple[int, ...]) -> ConflictError:
    numbers = ", ".join(map(str, ids))
    several = f"edits {numbers} are" if len(ids) > 1 else f"edit {numbers} is"
    about = " / ".join(fact.key)
    return ConflictError(f"Applied {several} about {about} already: undo first, or add --supersede.", ids)

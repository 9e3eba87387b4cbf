"""Ledger: the ordered list of edits applied to a model, each of which can be undone bit for bit, in any order.

A change is prepared first (the edit's file, the new weights), then written to the model and committed to the database,
in this order; when anything fails up to the commit, the database rolls back and the model's weights are put back.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import final, overload

from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit
from errata.errors import CorruptionError, LedgerError
from errata.history import History
from errata.ledger import compare, verify
from errata.ledger.blocks import Ids
from errata.ledger.compare import LayerChange, LayerPair
from errata.ledger.fold import Fold, Plan
from errata.ledger.layers import LayerSums
from errata.ledger.past import Past
from errata.ledger.records import Entry, Event, Meta, now
from errata.ledger.refusals import conflict, dtype_of, refuse_idle, refuse_other_model, refuse_other_weights
from errata.ledger.store import Store
from errata.ledger.sums import SumFiles
from errata.ledger.verify import Report
from errata.model.view import ModelView


@final
class Ledger:
    """The edits applied to one model, kept in a directory: W = round(W₀ + Σ ΔW_i), i over the applied edits by id.

    The sum goes block by block (`errata.ledger.blocks`); sums of blocks are kept beside the edits, where they are
    checked before use and may be deleted at any time (`errata.ledger.sums`).

    Ids count from 1 in the order of first application, and that stays an edit's place: one that is redone goes back
    to it. Open with `Ledger.open`; use from one thread at a time. Every method raises LedgerError when the ledger is
    closed, or busy in another process.
    """

    def __init__(self, store: Store, view: ModelView) -> None:
        self._store = store
        self._view = view
        files = SumFiles(store.path / "sums", store.sha256s)
        self._fold = Fold(view, LayerSums(self.edit, files))
        self._past = Past(self.edit)

    @classmethod
    def open(cls, path: str | Path, view: ModelView, create: bool = True) -> Ledger:
        """Open the ledger in a directory (made if missing, unless `create` is false) and give the view its weights.

        Raises LedgerError for a ledger of another model or dtype or of a newer schema, and CorruptionError, naming the
        edit, for a damaged file of an applied edit: every one is read. Then neither the view nor what the directory
        holds has changed; an older schema may have become today's.
        """
        path = Path(path)
        meta = Meta(view.name, view.model_fingerprint(), dtype_of(view), now())
        store = Store.open(path, meta if create else None)
        try:
            refuse_other_model(path, store.meta(), meta)
            store.check()
            ledger = cls(store, view)
            ledger.refresh()
        except BaseException:
            store.close()
            raise
        return ledger

    @classmethod
    def verify_at(cls, path: str | Path, view: ModelView) -> Report:
        """Check a ledger that may be too damaged to open.

        A sound one is opened, and the view's weights are then as it says; a damaged one leaves the view untouched.
        Raises LedgerError where there is no ledger, or one of another model.
        """
        try:
            with cls.open(path, view, create=False) as ledger:
                return ledger.verify()
        except CorruptionError as error:
            damage = error
        try:
            store = Store.open(Path(path), None)
        except CorruptionError:
            return Report((str(damage),), (), 0, view.weights_sha256())
        try:
            return verify.files(store, view)
        finally:
            store.close()

    def close(self) -> None:
        """Close the database; the weights stay as they are; `view.restore()` gives the unedited ones back."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def refresh(self) -> None:
        """Bring every layer to what the ledger says now: another process, or `view.restore()`, may have changed it."""
        wanted = self._store.index().layers()
        with self._fold.written(self._fold.plan(self._fold.every(wanted))):
            pass

    def apply(self, edit: Edit, supersede: bool = False) -> int:
        """Record an edit, write it to the model and return its id; `supersede` undoes the edits it conflicts with.

        Raises ConflictError when an applied edit is about the same subject and relation, RefusedEditError for one that
        changes no weight or makes one infinite, LedgerError for one made for other weights. Then nothing has changed.
        """
        return self.apply_all([edit], supersede)[0]

    def apply_all(self, edits: Iterable[Edit], supersede: bool = False) -> tuple[int, ...]:
        """Apply edits in their order, as `apply` does each, and return their ids; all of them, or none."""
        numbers: list[int] = []
        with self._changing():
            plan = None
            for edit in edits:
                numbers.append(self._record(edit, supersede))
                earlier, plan = plan, self._plan(plan)
                refuse_idle(numbers[-1], self._view, self._fold, plan, earlier)
            if plan is not None:
                self._commit(plan)
        return tuple(numbers)

    def undo(self, number: int) -> None:
        """Take an edit out of the weights: they become, bit for bit, what they would be had it never been applied.

        Raises LedgerError for an unknown or undone edit.
        """
        with self._changing():
            if not self._store.entry(number).applied:
                raise LedgerError(f"Edit {number} is undone already: redo({number}) applies it again.")
            self._store.mark(number, False)
            self._store.log("undo", number)
            self._commit(self._plan())

    def redo(self, number: int) -> None:
        """Apply an undone edit again, at its old place in the order.

        Raises LedgerError for an unknown or applied edit, ConflictError when an applied one is about the same fact.
        """
        with self._changing():
            entry = self._store.entry(number)
            if entry.applied:
                raise LedgerError(f"Edit {number} is applied already: undo({number}) takes it out.")
            rivals = self._store.index().rivals(entry.facts)
            if rivals:
                raise conflict(f"Edit {number}", entry.facts, rivals, "undo it first")
            self._store.mark(number, True)
            self._store.log("redo", number)
            self._commit(self._plan())

    def undo_to(self, number: int) -> tuple[int, ...]:
        """Undo every applied edit behind the one of this id (0: all) at once; returns their ids, newest first.

        Raises LedgerError for an unknown id; the edit `number` itself may be applied or undone, and stays so.
        """
        with self._changing():
            if number != 0:
                self._store.entry(number)
            undone = tuple(known for known in reversed(self.applied) if known > number)
            for known in undone:
                self._store.mark(known, False)
                self._store.log("undo", known)
            if undone:
                self._commit(self._plan())
        return undone

    @contextmanager
    def holding(self, ids: Collection[int]) -> Generator[None]:
        """The model with these edits alone, bit for bit, inside the block: for measuring, nothing is recorded.

        Raises LedgerError for an unknown id. Write nothing inside; the ledger's own weights return after it.
        """
        try:
            with self._fold.written(self._fold.plan(self._fold.stale(self._wanted(ids)))):
                pass
            yield
        finally:
            with self._fold.written(self._plan()):
                pass

    def history(self) -> History:
        """The applied edits in order, each read from its file when it is asked for.

        As long as edits are only added, each call goes on from what the last one's history has folded; when an edit has
        been undone or redone, the history is a new one. The one returned does not change with the ledger.
        """
        return self._past.of(self.applied)

    @property
    def path(self) -> Path:
        """The directory it is kept in."""
        return self._store.path

    @property
    def meta(self) -> Meta:
        """Which model it is for, and since when."""
        return self._store.meta()

    def entries(self) -> tuple[Entry, ...]:
        """Every edit, applied or undone, in order."""
        return self._store.entries()

    @property
    def applied(self) -> tuple[int, ...]:
        """Ids of the applied edits, in order."""
        return self._store.index().applied()

    def events(self) -> tuple[Event, ...]:
        """Everything that happened, oldest first."""
        return self._store.events()

    def edit(self, number: int) -> Edit:
        """An edit from its file; raises LedgerError for an unknown id, CorruptionError for a damaged file."""
        return self._store.load(self._store.entry(number))

    def show(self, number: int) -> tuple[Entry, Edit]:
        """An edit's entry and the edit itself; raises as `edit` does."""
        entry = self._store.entry(number)
        return entry, self._store.load(entry)

    @overload
    def diff(self, a: int | None = None) -> tuple[LayerChange, ...]: ...
    @overload
    def diff(self, a: int, b: int) -> tuple[LayerPair, ...]: ...
    def diff(self, a: int | None = None, b: int | None = None) -> tuple[LayerChange, ...] | tuple[LayerPair, ...]:
        """Per changed layer, what the present weights, or edit `a` alone, change; or how edits `a` and `b` compare.

        Raises LedgerError for an unknown id, CorruptionError for a damaged file.
        """
        if a is None:
            return compare.present(self._view)
        if b is None:
            return compare.alone(self._view, self.edit(a))
        return compare.pair(self.edit(a), self.edit(b))

    def weights(self, numbers: Iterable[int]) -> dict[int, Float[Tensor, "d_model d_ff"]]:
        """W of every layer that these edits change, with them alone, as the ledger would write it; nothing is written.

        Raises LedgerError for an unknown id or an infinite weight, CorruptionError for a damaged file.
        """
        return dict(self._fold.plan(self._wanted(numbers)).weights)

    def verify(self) -> Report:
        """Check every file, the database and the model's weights; problems are reported, not raised."""
        return verify.everything(self._store, self._view)

    def _wanted(self, numbers: Iterable[int]) -> dict[int, Ids]:
        """For every layer that these edits change, those that do, in order; raises LedgerError for an unknown id."""
        wanted: dict[int, Ids] = {}
        for number in sorted(set(numbers)):
            for layer in set(self._store.entry(number).layers):
                wanted[layer] = (*wanted.get(layer, ()), number)
        return wanted

    def _record(self, edit: Edit, supersede: bool) -> int:
        """Take an edit into this transaction; returns its id."""
        refuse_other_weights(edit, self._view, self._fold.base_fingerprint)
        rivals = self._store.index().rivals(edit.facts)
        if rivals and not supersede:
            raise conflict("This edit", edit.facts, rivals, "undo it first, or apply with supersede=True")
        number = self._store.next_id()
        self._store.add(number, edit)
        for rival in rivals:
            self._store.mark(rival.id, False)
            self._store.log("supersede", rival.id, by=number)
        return number

    def _plan(self, beside: Plan | None = None) -> Plan:
        """The weights that the database, as this transaction leaves it, asks for; `beside` holds sums to go on from."""
        return self._fold.plan(self._fold.stale(self._store.index().layers()), beside)

    def _commit(self, plan: Plan) -> None:
        with self._fold.written(plan):
            self._store.commit()

    @contextmanager
    def _changing(self) -> Generator[None]:
        """A transaction; however it ends, the weights are afterwards what the database then says.

        An error, or Ctrl-C, may come when the change is durable already and its weights have been put back.
        """
        try:
            with self._store.transaction():
                yield
        except BaseException:
            with suppress(LedgerError), self._fold.written(self._plan()):
                pass
            raise

"""Where a sequence's edits go: a ledger, or the model alone for the length of a `with`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor

from errata.deltas import Edit
from errata.errors import EditError
from errata.facts import Fact
from errata.history import History
from errata.ledger import Ledger
from errata.model.rounding import add_deltas, rounded, spoilt
from errata.model.view import ModelView


@runtime_checkable
class Book(Protocol):
    """An ordered list of edits that are in a model's weights."""

    def apply(self, edit: Edit) -> int:
        """Write an edit to the model behind all others; returns its id."""
        ...

    def history(self) -> History:
        """The edits in force, oldest first."""
        ...

    def entries(self) -> Sequence[tuple[int, tuple[Fact, ...]]]:
        """Id and facts of every edit in force, oldest first; no edit is read for it."""
        ...

    def edit(self, number: int) -> Edit:
        """An edit by its id."""
        ...


@final
class Kept:
    """A ledger as a book; `ledger` and `commit` serve a ledger that its first edit makes (see `Kept.of`)."""

    def __init__(self, ledger: Callable[[], Ledger | None], commit: Callable[[Edit], int]) -> None:
        self._ledger, self._commit = ledger, commit

    @classmethod
    def of(cls, ledger: Ledger) -> Kept:
        """An open ledger as a book."""
        return cls(lambda: ledger, ledger.apply)

    def apply(self, edit: Edit) -> int:
        """Write an edit to the ledger and the model; raises as `Ledger.apply` does."""
        return self._commit(edit)

    def history(self) -> History:
        """The applied edits, read when they are asked for."""
        ledger = self._ledger()
        return History() if ledger is None else ledger.history()

    def entries(self) -> Sequence[tuple[int, tuple[Fact, ...]]]:
        """Id and facts of every applied edit."""
        ledger = self._ledger()
        rows = () if ledger is None else ledger.entries()
        return [(row.id, tuple(row.facts)) for row in rows if row.applied]

    def edit(self, number: int) -> Edit:
        """An edit from its file; raises EditError where there is no ledger yet."""
        ledger = self._ledger()
        if ledger is None:
            raise EditError(f"There is no edit {number}: nothing was applied yet.")
        return ledger.edit(number)


@final
class Scratch:
    """Edits in memory: W = round(W₀ + Σ ΔW_i) as in a ledger, kept by nobody; the end of the `with` restores W₀.

    The view must be unedited when the block begins.
    """

    def __init__(self, view: ModelView) -> None:
        self._view = view
        self._edits: list[Edit] = []
        self._history = History()
        self._totals: dict[int, Tensor] = {}

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.restore(list(self._totals))

    @torch.no_grad()
    def apply(self, edit: Edit) -> int:
        """Write an edit to the model; raises EditError, with nothing written, where a weight would be infinite."""
        totals: dict[int, Tensor] = {}
        for delta in edit.deltas:
            base = self._view.base_weight(delta.layer)
            if delta.layer not in totals:
                held = self._totals.get(delta.layer)
                empty = torch.zeros(base.shape, dtype=torch.float32, device=base.device)
                totals[delta.layer] = empty if held is None else held.clone()
            add_deltas(totals[delta.layer], [delta])
        weights = {layer: rounded(self._view.base_weight(layer), total) for layer, total in totals.items()}
        for layer, weight in weights.items():
            if spoilt(self._view.base_weight(layer), weight):
                raise EditError(f"Layer {layer} would have weights that are NaN or infinite: the edit is too large.")
        for layer, weight in weights.items():
            self._view.write(layer, weight)
        self._totals |= totals
        self._edits.append(edit)
        self._history = self._history.then(edit)
        return len(self._edits)

    def history(self) -> History:
        """The edits made in this block."""
        return self._history

    def entries(self) -> Sequence[tuple[int, tuple[Fact, ...]]]:
        """Id and facts of every edit."""
        return [(number, edit.facts) for number, edit in enumerate(self._edits, start=1)]

    def edit(self, number: int) -> Edit:
        """An edit by its id, which counts from 1; raises EditError where there is none."""
        if not 1 <= number <= len(self._edits):
            raise EditError(f"There is no edit {number}: the edits are 1 to {len(self._edits)}.")
        return self._edits[number - 1]

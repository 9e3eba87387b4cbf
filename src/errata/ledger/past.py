"""The applied edits as a history that reads each from its file and goes on from what was folded before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final, overload

from errata.deltas import Edit
from errata.history import History
from errata.ledger.blocks import Ids


@final
class _Filed(Sequence[Edit]):
    """Edits by id, loaded each time they are asked for."""

    def __init__(self, ids: Ids, load: Callable[[int], Edit]) -> None:
        self._ids = ids
        self._load = load

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Edit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Edit]: ...
    def __getitem__(self, index: int | slice) -> Edit | Sequence[Edit]:
        if isinstance(index, slice):
            return _Filed(self._ids[index], self._load)
        return self._load(self._ids[index])


@final
class Past:
    """The last history that was asked for; `load` reads an edit by its id."""

    def __init__(self, load: Callable[[int], Edit]) -> None:
        self._load = load
        self._ids: Ids = ()
        self._history = History()

    def of(self, ids: Ids) -> History:
        """The history of these edits: the last one, the last one gone on with, or one that begins anew."""
        if ids != self._ids:
            edits = _Filed(ids, self._load)
            grown = ids[: len(self._ids)] == self._ids
            self._history = self._history.within(edits) if grown else History(edits)
            self._ids = ids
        return self._history

"""The edits applied before, oldest first: what a method that remembers computes its own state from.

A sequential method's state (accumulated keys, the running sum of the updates) is a function of the edits that are in
the weights, and of nothing else. So it needs no store of its own: an edit that is undone leaves the history, and the
state is again what it would be had the edit never been.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar, cast, final

from errata.deltas import Edit

State = TypeVar("State")


@final
class History:
    """Edits in their order; `edits` may read them only when they are asked for."""

    __slots__ = ("_edits", "_folded", "_more")

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self._edits = edits
        self._more: tuple[Edit, ...] = ()
        self._folded: dict[Hashable, tuple[int, object]] = {}

    def __len__(self) -> int:
        return len(self._edits) + len(self._more)

    def __iter__(self) -> Iterator[Edit]:
        return (self._at(place) for place in range(len(self)))

    def then(self, edit: Edit) -> History:
        """This history and one edit more, which goes on from what has been folded; no edit is read for it."""
        longer = self.within(self._edits)
        longer._more = (*self._more, edit)
        return longer

    def within(self, edits: Sequence[Edit]) -> History:
        """The history of `edits`, which begin with this one's; it goes on from what has been folded."""
        longer = History(edits)
        longer._folded = dict(self._folded)
        return longer

    def _at(self, place: int) -> Edit:
        behind = place - len(self._edits)
        return self._more[behind] if behind >= 0 else self._edits[place]

    def fold(self, key: Hashable, start: Callable[[], State], step: Callable[[State, Edit], State]) -> State:
        """step(… step(start(), edit_1) …, edit_t), continued from where the last fold of this key ended.

        `step` returns a new state and leaves the old one as it was. `key` names all that start and step depend on.
        """
        done, state = self._folded.get(key, (0, None))
        if state is None:
            state = start()
        for place in range(done, len(self)):
            state = step(cast(State, state), self._at(place))
        self._folded[key] = len(self), state
        return cast(State, state)

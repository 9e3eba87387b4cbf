"""The order of the sum: Σ over blocks of (Σ over a block's edits), each in the order of ids, in float32.

    Σ ΔW_i = ((B_1 + B_2) + B_3) + …,    B_k = ((0 + ΔW_a) + ΔW_b) + …,   a < b < … the edits of block k

Block k is the applied edits with ids (k − 1)·BLOCK + 1 to k·BLOCK that touch the layer; an empty one is left out. The
result depends on which edits are applied and on nothing else, and a change of one edit leaves every other block's sum
as it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor

from errata.deltas import WeightDelta
from errata.model.rounding import add_deltas

# Half of the time of an undo goes to the edits of one block, half to the sums of the others, at some 5,000 edits.
BLOCK = 128

Ids = tuple[int, ...]


def block_of(number: int) -> int:
    """The block, counted from 0, of an edit's id."""
    return (number - 1) // BLOCK


def divided(ids: Ids) -> list[Ids]:
    """Ids in order, divided into their blocks; empty blocks are left out."""
    found: list[Ids] = []
    start = 0
    while start < len(ids):
        end = bisect_right(ids, (block_of(ids[start]) + 1) * BLOCK)
        found.append(ids[start:end])
        start = end
    return found


def added(head: Float[Tensor, "d_model d_ff"] | None, block: Float[Tensor, "d_model d_ff"]) -> Tensor:
    """The sum of the blocks before and one more, as a new tensor; the first block is its own sum."""
    return block.clone() if head is None else head + block


class RunningSum:
    """Σ ΔW_i of one layer, made from nothing but the deltas; `total` is zero before the first."""

    def __init__(self, zero: Float[Tensor, "d_model d_ff"]) -> None:
        self._head: Tensor | None = None
        self._tail = zero
        self._block = -1

    def add(self, number: int, deltas: Iterable[WeightDelta]) -> None:
        """Add the deltas of the edit `number`; numbers ascend."""
        if block_of(number) != self._block:
            self._head = None if self._block < 0 else added(self._head, self._tail)
            self._tail, self._block = self._tail.new_zeros(self._tail.shape), block_of(number)
        add_deltas(self._tail, deltas)

    @property
    def total(self) -> Float[Tensor, "d_model d_ff"]:
        """The sum so far."""
        return added(self._head, self._tail)

"""Adding up the edits of many layers at once, each edit read once, from as much of the sums as is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.deltas import Edit
from errata.ledger.blocks import Ids, added, block_of, divided
from errata.ledger.sums import SumFiles
from errata.model.rounding import add_deltas

# A sum is kept where reading it is quicker than adding it up: a block of so many edits, a head of so many more.
BLOCK_WORTH, HEAD_WORTH = 8, 64


@dataclass(frozen=True, slots=True, eq=False)
class LayerSum:
    """Σ ΔW_i of a layer: `head` is the sum of the edits `before` the last block, `tail` that of the last block."""

    before: Ids
    head: Float[Tensor, "d_model d_ff"] | None
    last: Ids
    tail: Float[Tensor, "d_model d_ff"]

    def total(self) -> Float[Tensor, "d_model d_ff"]:
        """The sum of all."""
        return self.tail if self.head is None else self.head + self.tail


@dataclass(slots=True, eq=False)
class _Task:
    """A layer's sum in the making: `head` covers the first `done` of `parts`; `made` says that it is a new one."""

    shape: tuple[int, int]
    parts: list[Ids]
    head: Tensor | None
    done: int
    known: list[LayerSum]
    own: bool = False  # whether nothing else holds `head`, so that it may be added to in place
    made: bool = False
    tail: Tensor = field(init=False)

    def due(self) -> Ids:
        return self.parts[self.done] if self.done < len(self.parts) else ()

    def finish(self, block: Tensor) -> None:
        """Take up the next block's sum."""
        self.done += 1
        if self.done == len(self.parts):
            self.tail = block
            return
        self.made = True
        if self.head is not None and self.own:
            self.head += block
        else:
            self.head, self.own = added(self.head, block), True


@final
class LayerSums:
    """The sums of a ledger's layers; `load` reads an edit by its id, `files` are sums on disk."""

    def __init__(self, load: Callable[[int], Edit], files: SumFiles) -> None:
        self._load = load
        self._files = files
        self._held: dict[int, LayerSum] = {}
        self._kept: dict[int, Ids] = {}

    def hold(self, layer: int, found: LayerSum | None) -> None:
        """Remember a layer's sum, to go on from."""
        self._held.pop(layer, None)
        if found is not None:
            self._held[layer] = found

    @torch.no_grad()
    def of(
        self, wanted: Mapping[int, tuple[Ids, tuple[int, int]]], others: Mapping[int, LayerSum]
    ) -> dict[int, LayerSum]:
        """The sum of the edits wanted for each layer, one at least, in the layer's shape; `others` are known sums."""
        tasks: dict[int, _Task] = {}
        for layer, (ids, shape) in wanted.items():
            known = [held[layer] for held in (others, self._held) if layer in held]
            tasks[layer] = self._start(layer, shape, ids, known)
        for due in _in_turns(tasks):
            self._add(tasks, due)
        return {layer: self._end(layer, task, wanted[layer][0]) for layer, task in tasks.items()}

    def _start(self, layer: int, shape: tuple[int, int], ids: Ids, known: list[LayerSum]) -> _Task:
        """Begin with the longest sum of the first blocks that is in memory, or else on disk."""
        parts = divided(ids)
        before = ids[: -len(parts[-1])]
        ends = {length: count for count, length in enumerate(accumulate(map(len, parts[:-1])), start=1)}
        task = _Task(shape, parts, None, 0, known)
        for held in known:
            for summed, whole in ((held.before, False), (held.before + held.last, True)):
                count = ends.get(len(summed), 0)
                if count > task.done and before[: len(summed)] == summed:
                    task.head, task.done, task.made = (held.total() if whole else held.head), count, whole
                    if whole and len(held.last) >= BLOCK_WORTH:
                        self._files.keep_block(layer, held.last, held.tail)
        if task.done < len(ends):
            count, head = self._files.head(layer, shape, parts[:-1])
            if count > task.done:
                task.head, task.done, task.own, task.made = head, count, True, False
                self._kept[layer] = before[: [*ends][count - 1]]
        return task

    def _add(self, tasks: Mapping[int, _Task], layers: list[int]) -> None:
        """Sum up the next block of these layers, whose block is the same."""
        totals: dict[int, Tensor] = {}
        missing: dict[int, set[int]] = {}
        for layer in layers:
            totals[layer], done = self._begun(layer, tasks[layer])
            missing[layer] = set(tasks[layer].due()[done:])
        for number in sorted(set[int]().union(*missing.values())):
            for delta in self._load(number).deltas:
                if number in missing.get(delta.layer, ()):
                    add_deltas(totals[delta.layer], [delta])
        for layer, total in totals.items():
            task, ids = tasks[layer], tasks[layer].due()
            if task.done < len(task.parts) - 1 and missing[layer] and len(ids) >= BLOCK_WORTH:
                self._files.keep_block(layer, ids, total)
            task.finish(total)

    def _begun(self, layer: int, task: _Task) -> tuple[Tensor, int]:
        """As much of a layer's next block as is in memory or on disk, and how many of its edits that sums."""
        due = task.due()
        for held in task.known:
            if held.last == due:
                return held.tail, len(due)
        for held in task.known:
            if held.last == due[: len(held.last)]:
                return held.tail.clone(), len(held.last)
        found = self._files.block(layer, task.shape, due) if len(due) >= BLOCK_WORTH else None
        return (torch.zeros(task.shape), 0) if found is None else (found, len(due))

    def _end(self, layer: int, task: _Task, ids: Ids) -> LayerSum:
        """The finished sum; its head is kept where it has become much longer than, or another than, the one kept."""
        last = task.parts[-1]
        before = ids[: -len(last)]
        kept = self._kept.get(layer, ())
        behind = len(before) - (len(kept) if before[: len(kept)] == kept else 0)
        if task.head is not None and task.made and behind >= HEAD_WORTH:
            self._files.keep_head(layer, task.parts[:-1], task.head)
            self._kept[layer] = before
        return LayerSum(before, task.head, last, task.tail)


def _in_turns(tasks: Mapping[int, _Task]) -> Iterator[list[int]]:
    """The layers whose next block is the first of those that are due, until nothing is due."""
    while due := {layer: block_of(task.due()[0]) for layer, task in tasks.items() if task.due()}:
        first = min(due.values())
        yield [layer for layer, block in due.items() if block == first]

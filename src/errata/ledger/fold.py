"""Writing a model's weights as W = round(W₀ + Σ ΔW_i), from the unedited weights each time.

The sum is taken in the order of the edits' ids, in float32 and on the CPU whatever the model's device, and rounded once
to the model's dtype. Subtracting a delta is not undoing it: float addition is not associative, so the sum without an
edit is computed anew. Only a sum that goes on where the last one stopped is continued; the result has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from errata.deltas import Edit
from errata.errors import LedgerError
from errata.ledger.records import Entry
from errata.model.view import ModelView, add_deltas, rounded

Ids = tuple[int, ...]


def layers_of(entries: Iterable[Entry]) -> dict[int, Ids]:
    """For every layer that applied edits touch, those edits' ids in order."""
    wanted: dict[int, list[int]] = {}
    for entry in entries:
        if entry.applied:
            for layer in set(entry.layers):
                wanted.setdefault(layer, []).append(entry.id)
    return {layer: tuple(ids) for layer, ids in wanted.items()}


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one dtype and shape are bit-identical; −0 is not 0, and a NaN equals itself."""
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def changed_entries(a: Tensor, b: Tensor) -> int:
    """Number of entries whose bits differ between two tensors of one dtype and shape."""
    size = a.element_size()
    bits = [tensor.contiguous().view(torch.uint8).reshape(-1, size) for tensor in (a, b)]
    return int((bits[0] != bits[1]).any(dim=1).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Weights ready to be written: for each layer the edits wanted, their sum, and W where there are any."""

    wanted: Mapping[int, Ids]
    totals: Mapping[int, Tensor]
    weights: Mapping[int, Tensor]


@final
class Fold:
    """Brings a view's layers to the sum of the edits wanted for each; `load` reads an edit by its id."""

    def __init__(self, view: ModelView, load: Callable[[int], Edit]) -> None:
        self._view = view
        self._load = load
        self._held: dict[int, Ids] = {}
        self._totals: dict[int, tuple[Ids, Tensor]] = {}
        self._bases: dict[int, str] = {}

    def base_fingerprint(self, layer: int) -> str:
        """Fingerprint of a layer's unedited weight, computed once while the view keeps a copy of that weight."""
        if layer not in self._bases or not self._is_written(layer):
            self._bases[layer] = self._view.layer_fingerprint(layer)
        return self._bases[layer]

    def every(self, wanted: Mapping[int, Ids]) -> dict[int, Ids]:
        """All layers, with the edits wanted for each."""
        return {layer: wanted.get(layer, ()) for layer in range(self._view.n_layers)}

    def stale(self, wanted: Mapping[int, Ids]) -> dict[int, Ids]:
        """The layers that hold another sum than the one wanted, with the edits wanted for each."""
        return {layer: ids for layer, ids in self.every(wanted).items() if self._held_by(layer) != ids}

    @torch.no_grad()
    def plan(self, wanted: Mapping[int, Ids]) -> Plan:
        """What layers weigh with the edits wanted for each; nothing is written.

        Raises LedgerError, naming the edits, where a weight that was finite would not be.
        """
        totals = self._sums({layer: ids for layer, ids in wanted.items() if ids})
        weights: dict[int, Tensor] = {}
        for layer, total in totals.items():
            base = self._view.base_weight(layer).cpu()
            weights[layer] = rounded(base, total)
            if bool((torch.isfinite(base) & ~torch.isfinite(weights[layer])).any()):
                edits = ", ".join(map(str, wanted[layer]))
                raise LedgerError(
                    f"Layer {layer} would have weights that are NaN or infinite in "
                    f"{str(base.dtype).removeprefix('torch.')} with edits {edits}: leave one out or use a wider dtype."
                )
        return Plan(dict(wanted), totals, weights)

    @contextmanager
    def written(self, plan: Plan) -> Generator[None]:
        """Write a plan's layers; when the block raises, they get back what they held before, bit for bit."""
        before: dict[int, Tensor] = {}
        try:
            for layer, ids in plan.wanted.items():
                if ids:
                    before[layer] = self._view.weight(layer).clone()
                    self._view.write(layer, plan.weights[layer])
                elif self._is_written(layer):
                    before[layer] = self._view.weight(layer).clone()
                    self._view.restore([layer])
            yield
        except BaseException:
            for layer, weight in before.items():
                if same_bits(weight, self._view.base_weight(layer)):
                    self._view.restore([layer])
                else:
                    self._view.write(layer, weight)
            raise
        for layer, ids in plan.wanted.items():
            self._held[layer] = ids
            self._totals.pop(layer, None)
            if ids:
                self._totals[layer] = ids, plan.totals[layer]

    def _is_written(self, layer: int) -> bool:
        """Whether the view keeps an unedited copy of a layer beside the weight in use."""
        return self._view.base_weight(layer).data_ptr() != self._view.weight(layer).data_ptr()

    def _held_by(self, layer: int) -> Ids:
        """The edits whose sum this fold has written to a layer; none once the view has restored the layer."""
        return self._held.get(layer, ()) if self._is_written(layer) else ()

    def _sums(self, wanted: Mapping[int, Ids]) -> dict[int, Tensor]:
        """Σ ΔW_i of every layer, reading each edit once; a kept sum that a wanted one begins with is continued."""
        sums: dict[int, Tensor] = {}
        missing: dict[int, set[int]] = {}
        for layer, ids in wanted.items():
            done, total = self._totals.get(layer, ((), None))
            if total is None or done != ids[: len(done)]:
                done, total = (), torch.zeros(tuple(self._view.weight(layer).shape), dtype=torch.float32)
            elif done != ids:
                total = total.clone()
            sums[layer], missing[layer] = total, set(ids[len(done) :])
        for number in sorted(set[int]().union(*missing.values())):
            for delta in self._load(number).deltas:
                if number in missing.get(delta.layer, ()):
                    add_deltas(sums[delta.layer], [delta])
        return sums

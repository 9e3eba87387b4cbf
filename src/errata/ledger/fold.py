"""Writing a model's weights as W = round(W₀ + Σ ΔW_i), from the unedited weights each time.

The sum is taken block by block (`blocks`), in float32 and on the CPU whatever the model's device, and rounded once to
the model's dtype. Subtracting a delta is not undoing it: float addition is not associative, so the sum without an edit
is computed anew, from that edit's block and the kept sums of the others (`sums`). A layer's last block and the sum of
those before it stay in memory, so that an edit that comes last is added to them; the result has the same bits.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from errata.errors import RefusedEditError
from errata.ledger.blocks import Ids
from errata.ledger.layers import LayerSum, LayerSums
from errata.ledger.records import listed
from errata.model.rounding import rounded, spoilt
from errata.model.view import ModelView


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
    sums: Mapping[int, LayerSum]
    weights: Mapping[int, Tensor]


@final
class Fold:
    """Brings a view's layers to the sum of the edits wanted for each; `sums` adds them up."""

    def __init__(self, view: ModelView, sums: LayerSums) -> None:
        self._view = view
        self._sums = sums
        self._held: dict[int, Ids] = {}
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
    def plan(self, wanted: Mapping[int, Ids], beside: Plan | None = None) -> Plan:
        """What layers weigh with the edits wanted for each; nothing is written. `beside` holds sums that may be used.

        Raises RefusedEditError, naming the edits, where a weight that was finite would not be.
        """
        asked = {layer: (ids, self._shape(layer)) for layer, ids in wanted.items() if ids}
        sums = self._sums.of(asked, beside.sums if beside else {})
        weights: dict[int, Tensor] = {}
        for layer, found in sums.items():
            base = self._view.base_weight(layer).cpu()
            weights[layer] = rounded(base, found.total())
            if spoilt(base, weights[layer]):
                edits = listed(wanted[layer])
                raise RefusedEditError(
                    f"Layer {layer} would have weights that are NaN or infinite in "
                    f"{str(base.dtype).removeprefix('torch.')} with edits {edits}: leave one out or use a wider dtype."
                )
        return Plan(dict(wanted), sums, weights)

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
            self._sums.hold(layer, plan.sums.get(layer))

    def _shape(self, layer: int) -> tuple[int, int]:
        rows, columns = self._view.weight(layer).shape
        return rows, columns

    def _is_written(self, layer: int) -> bool:
        """Whether the view keeps an unedited copy of a layer beside the weight in use."""
        return self._view.base_weight(layer).data_ptr() != self._view.weight(layer).data_ptr()

    def _held_by(self, layer: int) -> Ids:
        """The edits whose sum this fold has written to a layer; none once the view has restored the layer."""
        return self._held.get(layer, ()) if self._is_written(layer) else ()

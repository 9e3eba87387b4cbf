"""Attributions of many prompts, sparse: the strongest neurons of each with their share of the highest score.

A prompt's row holds the neurons whose score is at least `FLOOR` of its highest, and each layer's `A_LAYER` strongest
positive ones. Row r's entries are `neurons[starts[r]:starts[r + 1]]`, neuron (l, i) counted as l · d_ff + i.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from torch import Tensor

from errata.detectors.stored import contents, to_bytes
from errata.errors import UNREADABLE, InputError
from errata.neurons import NeuronSet

FLOOR = 0.05
A_LAYER = 32
FORMAT = "errata-strengths-1"


@dataclass(frozen=True)
class Strengths:
    """Sparse rows over layer × neuron, one a prompt; raises InputError for rows that do not fit together."""

    n_layers: int
    d_ff: int
    starts: Int[Tensor, " rows_and_one"]
    neurons: Int[Tensor, " entries"]
    values: Float[Tensor, " entries"]

    def __post_init__(self) -> None:
        whole = self.starts.ndim == self.neurons.ndim == self.values.ndim == 1 and len(self.starts) > 0
        sound = (
            whole
            and int(self.starts[0]) == 0
            and int(self.starts[-1]) == len(self.neurons) == len(self.values)
            and bool((self.starts.diff() >= 0).all())
            and bool(((self.neurons >= 0) & (self.neurons < self.n_layers * self.d_ff)).all())
            and bool(torch.isfinite(self.values).all())
        )
        if not sound:
            raise InputError("The strengths do not fit together: rows, neurons and values must match the shape.")

    @classmethod
    def of(cls, scores: Sequence[Float[Tensor, "layers d_ff"]]) -> Strengths:
        """The rows of dense scores, each as shares of its highest; a prompt without a positive score has none."""
        n_layers, d_ff = scores[0].shape
        rows = [_strongest(score) for score in scores]
        counts = torch.tensor([len(neurons) for neurons, _ in rows])
        starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        neurons, values = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return cls(n_layers, d_ff, starts, neurons, values)

    @classmethod
    def joined(cls, parts: Sequence[Strengths]) -> Strengths:
        """The rows of several, one after another; raises InputError for none and for different models."""
        if len({(part.n_layers, part.d_ff) for part in parts}) != 1:
            raise InputError("Strengths of different models, or none at all, do not join: give those of one model.")
        counts = torch.cat([part.starts.diff() for part in parts])
        starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        neurons, values = torch.cat([part.neurons for part in parts]), torch.cat([part.values for part in parts])
        return cls(parts[0].n_layers, parts[0].d_ff, starts, neurons, values)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def owners(self) -> Int[Tensor, " entries"]:
        """The row of every entry."""
        return torch.repeat_interleave(torch.arange(len(self)), self.starts.diff())

    def rows(self, chosen: Sequence[int] | Tensor) -> Strengths:
        """Some of the rows, in the order given."""
        wanted = torch.as_tensor(chosen, dtype=torch.long)
        counts = self.starts.diff()[wanted]
        starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        offsets = torch.arange(int(starts[-1])) - torch.repeat_interleave(starts[:-1], counts)
        places = torch.repeat_interleave(self.starts[:-1][wanted], counts) + offsets
        return Strengths(self.n_layers, self.d_ff, starts, self.neurons[places], self.values[places])

    def above(self, threshold: float) -> Strengths:
        """0/1 rows of the neurons whose share is at least `threshold`: the identified sets.

        Raises InputError for a threshold below what was kept.
        """
        if threshold < FLOOR:
            raise InputError(f"Shares below {FLOOR} were not kept: give a threshold from there, found {threshold}.")
        return self.where(self.values >= threshold, torch.ones_like(self.values))

    def summed(self, count: int) -> Strengths:
        """The sums of every `count` rows that follow each other; raises InputError where rows are left over."""
        if count < 1 or len(self) % count:
            raise InputError(f"{len(self)} rows are no groups of {count}: give every fact all its phrasings.")
        width, groups = self.n_layers * self.d_ff, len(self) // count
        places, which = (self.owners // count * width + self.neurons).unique(return_inverse=True)
        values = torch.zeros(len(places)).index_add_(0, which, self.values)
        starts = torch.searchsorted(places, torch.arange(groups + 1) * width)
        return Strengths(self.n_layers, self.d_ff, starts, places % width, values)

    def by_layer(self) -> Float[Tensor, "rows layers"]:
        """Σ x² of every row and layer."""
        places = self.owners * self.n_layers + self.neurons // self.d_ff
        sums = torch.zeros(len(self) * self.n_layers).index_add_(0, places, self.values.square())
        return sums.view(len(self), self.n_layers)

    def total(self) -> Float[Tensor, "layers d_ff"]:
        """The sum of all rows."""
        flat = torch.zeros(self.n_layers * self.d_ff).index_add_(0, self.neurons, self.values)
        return flat.view(self.n_layers, self.d_ff)

    def where(self, kept: Bool[Tensor, " entries"], values: Float[Tensor, " entries"] | None = None) -> Strengths:
        """Only some entries, with new values if given."""
        counts = torch.zeros(len(self), dtype=torch.long).index_add_(0, self.owners[kept], kept[kept].long())
        starts = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        chosen = (self.values if values is None else values)[kept]
        return Strengths(self.n_layers, self.d_ff, starts, self.neurons[kept], chosen)

    def dense(self) -> Float[Tensor, "rows layers d_ff"]:
        """The rows as one tensor, zero where there is no entry."""
        full = torch.zeros(len(self), self.n_layers * self.d_ff)
        full[self.owners, self.neurons] = self.values
        return full.view(len(self), self.n_layers, self.d_ff)

    def sets(self) -> Iterator[NeuronSet]:
        """Each row's neurons as a set."""
        for row in range(len(self)):
            flat = self.neurons[self.starts[row] : self.starts[row + 1]].tolist()
            yield NeuronSet(self.n_layers, self.d_ff, frozenset(divmod(place, self.d_ff) for place in flat))

    def sha256(self) -> str:
        """A hash of shape, rows and values: equal for equal strengths."""
        digest = hashlib.sha256(f"{self.n_layers} {self.d_ff}".encode())
        for tensor in (self.starts, self.neurons, self.values):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to_bytes(self, **header: Any) -> bytes:
        """The rows as safetensors, with a header of plain values."""
        tensors = {
            "starts": self.starts,
            "neurons": self.neurons.to(torch.int32),
            "values": self.values,
        }
        shape = {"n_layers": self.n_layers, "d_ff": self.d_ff}
        return to_bytes(FORMAT, {**shape, **header}, tensors)

    @classmethod
    def load(cls, path: Path) -> tuple[Strengths, dict[str, Any]]:
        """Rows and header of a file; raises InputError for any other file."""
        try:
            header, tensors = contents(path, FORMAT)
            starts, neurons, values = (tensors[name] for name in ("starts", "neurons", "values"))
            if (starts.dtype, neurons.dtype, values.dtype) != (torch.int64, torch.int32, torch.float32):
                raise ValueError(f"its numbers are {starts.dtype}, {neurons.dtype} and {values.dtype}")
            return cls(header["n_layers"], header["d_ff"], starts, neurons.long(), values), header
        except (*UNREADABLE, SafetensorError, InputError) as error:
            raise InputError(f"{path} holds no strengths ({error}): delete it, and it is made again.") from error


def _strongest(scores: Float[Tensor, "layers d_ff"]) -> tuple[Int[Tensor, " kept"], Float[Tensor, " kept"]]:
    """Flat places, ascending, and shares of the highest score."""
    shares = (scores / scores.max().clamp_min(torch.finfo(scores.dtype).tiny)).float()
    count = min(A_LAYER, shares.shape[1])
    least = shares.topk(count, dim=1).values[:, -1:]
    kept = (shares > 0) & ((shares >= FLOOR) | (shares >= least))
    places = kept.flatten().nonzero()[:, 0]
    return places, shares.flatten()[places]

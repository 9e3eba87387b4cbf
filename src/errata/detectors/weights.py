"""The two linear maps a layer that every detector is made of: encode H → R and decode R → H, without biases."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from errata.detectors.strengths import Strengths
from errata.errors import InputError


@dataclass(frozen=True, eq=False)
class Weights:
    """`encode` E_l `[layers, d_ff, rank]` and `decode` D_l `[layers, rank, d_ff]`: 2 · L · H · R parameters.

    Raises InputError for maps that do not fit together.
    """

    encode: Float[Tensor, "layers d_ff rank"]
    decode: Float[Tensor, "layers rank d_ff"]

    def __post_init__(self) -> None:
        if self.encode.ndim != 3 or self.decode.shape != self.encode.transpose(1, 2).shape:
            raise InputError(
                f"Detector weights of shape {tuple(self.encode.shape)} and {tuple(self.decode.shape)} do not fit: "
                "expected [layers, d_ff, rank] and [layers, rank, d_ff]."
            )

    @classmethod
    def random(cls, n_layers: int, d_ff: int, rank: int, generator: torch.Generator) -> Weights:
        """Uniform in ± 1/√(inputs), as torch.nn.Linear begins; raises InputError for a rank below 1."""
        if rank < 1:
            raise InputError(f"A rank of {rank} holds nothing: give at least 1.")

        def draw(inputs: int, *shape: int) -> Tensor:
            return (2 * torch.rand(*shape, generator=generator) - 1) / sqrt(inputs)

        return cls(draw(d_ff, n_layers, d_ff, rank), draw(rank, n_layers, rank, d_ff))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, neurons in a layer, rank."""
        layers, d_ff, rank = self.encode.shape
        return layers, d_ff, rank

    @property
    def count(self) -> int:
        """Number of parameters, 2 · L · H · R."""
        return self.encode.numel() + self.decode.numel()

    def codes(self, rows: Strengths) -> Float[Tensor, "rows layers rank"]:
        """E_lᵀ x_l of every row and layer; the cost grows with the entries, not with d_ff."""
        layers, d_ff, rank = self.shape
        self.check(rows)
        entries = self.encode.reshape(-1, rank)[rows.neurons] * rows.values[:, None]
        places = rows.owners * layers + rows.neurons // d_ff
        return entries.new_zeros(len(rows) * layers, rank).index_add(0, places, entries).view(-1, layers, rank)

    def decoded(self, codes: Float[Tensor, "rows layers rank"]) -> Float[Tensor, "rows layers d_ff"]:
        """D_lᵀ c_l of every row and layer, in one product for all layers."""
        return torch.einsum("nlr,lrh->nlh", codes, self.decode)

    def check(self, rows: Strengths) -> None:
        """Raise InputError for rows of a model of another shape."""
        if (rows.n_layers, rows.d_ff) != self.shape[:2]:
            raise InputError(
                f"The detector reads {self.shape[0]} layers × {self.shape[1]} neurons, these are {rows.n_layers} × "
                f"{rows.d_ff}: train one for this model."
            )

"""Which scores of an attribution are written: those above a share of the maximum, or the first k."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.neurons import NeuronSet

# Half of the lowest threshold in use (Dai: 0.2), so that a threshold can still be chosen afterwards.
ABOVE = 0.1


@dataclass(frozen=True, slots=True)
class Kept:
    """Neurons and their scores, the highest first; ties go to the lower layer, then the lower index."""

    layers: list[int]
    indices: list[int]
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep scores of at least `above` × the largest, or the `top` largest; at least 0.1 × the largest by default.

    Raises InputError when both are given, for a share outside 0 … 1 and for a negative number.
    """

    above: float | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        if self.above is not None and self.top is not None:
            raise InputError("Scores are kept above a share or up to a number: give one of the two.")
        if self.top is None:
            object.__setattr__(self, "above", ABOVE if self.above is None else float(self.above))
        elif self.top < 0:
            raise InputError(f"There are no {self.top} scores to keep: give a number from 0.")
        if self.above is not None and not 0 <= self.above <= 1:
            raise InputError(f"{self.above} is no share of the largest score: give a number from 0 to 1.")

    def of(self, scores: Float[Tensor, "layers d_ff"]) -> Kept:
        """The scores to write; raises InputError for scores that are not finite."""
        chosen = NeuronSet.above(scores, self.above or 0.0) if self.top is None else NeuronSet.top(scores, self.top)
        places = torch.tensor(list(chosen), dtype=torch.long).view(-1, 2)
        values, order = scores[places[:, 0], places[:, 1]].sort(descending=True, stable=True)
        layers, indices = places[order].T.tolist()
        return Kept(layers, indices, values.tolist())

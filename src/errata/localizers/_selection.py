"""The top share of all neurons: one global quantile."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.neurons import NeuronSet


def top_share(scores: Float[Tensor, "layers d_ff"], share: float, gap: float | None = None) -> NeuronSet:
    """Keep the `share` of all neurons with the largest scores, at least one; raises InputError for no share."""
    if not 0 < share <= 1:
        raise InputError(f"The share {share} is outside (0, 1]: it is a share of all neurons.")
    return NeuronSet.top(scores, max(1, round(share * scores.numel())), gap)

"""The top share of all neurons: one global quantile."""

from __future__ import annotations

from collections.abc import Collection

from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.neurons import NeuronSet


def top_share(
    scores: Float[Tensor, "layers d_ff"],
    share: float,
    gap: float | None = None,
    layers: Collection[int] | None = None,
) -> NeuronSet:
    """Keep the `share` of all neurons with the largest scores, at least one, of `layers` if given.

    Raises InputError for no share and for a layer that does not exist.
    """
    outside = [layer for layer in layers or () if not 0 <= layer < len(scores)]
    if outside or (layers is not None and not layers):
        raise InputError(f"The layers {layers} are not layers of the model: name some from 0 to {len(scores) - 1}.")
    if not 0 < share <= 1:
        raise InputError(f"The share {share} is outside (0, 1]: it is a share of all neurons.")
    return NeuronSet.top(scores, max(1, round(share * scores.numel())), gap, layers)

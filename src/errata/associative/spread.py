"""Spread one change of the residual stream over several layers.

    z = h^L + δ                                           h at the subject's last token behind the last edited layer L
    for l in layers:   R^l = (z − h^L now) / layers remaining ,   ΔW^l = R^l · rows(K^l)

h^L and the keys K^l are read again after every layer, with the layers before it changed. Source: Meng et al. 2023
(MEMIT), §4.3, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from errata.associative.keys import keys_and_states
from errata.deltas import WeightDelta
from errata.facts import Fact
from errata.model.view import ModelView

# Of a layer, its residuals `[facts, d_model]` and keys `[facts, d_ff]`: left `[d_model, facts]`, right `[facts, d_ff]`.
Update = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]


def spread(
    view: ModelView,
    layers: Sequence[int],
    facts: Sequence[Fact],
    contexts: Sequence[str],
    delta: Float[Tensor, "facts d_model"],
    update: Update,
) -> tuple[list[WeightDelta], dict[int, Float[Tensor, "facts d_ff"]]]:
    """The deltas of all layers and the keys they were made for; δ is wanted behind the last of the layers.

    h is that of the first context, which is the bare prompt; keys are means over all.
    """
    deltas: list[WeightDelta] = []
    keys: dict[int, Tensor] = {}
    wanted: Tensor | None = None
    for place, layer in enumerate(layers):
        with view.applied(deltas):
            keys[layer], now = keys_and_states(view, layer, layers[-1], facts, contexts)
        wanted = now + delta.double().cpu() if wanted is None else wanted
        left, right = update(layer, (wanted - now) / (len(layers) - place), keys[layer])
        deltas.append(view.delta(layer, left.float(), right.float()))
    return deltas, keys

"""Keys and values of prompts' prefixes: computed once, read by any number of rows, never written."""

from __future__ import annotations

from typing import Any, cast, final

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache

from errata.model.view import ModelView


@final
class PrefixCache(DynamicCache):
    """A cache that gives row i the prefix of prompt `owner[i]`, with the row's own keys and values behind it."""

    def __init__(self, filled: DynamicCache, owner: Int[Tensor, " rows"]) -> None:
        super().__init__()
        self.layers = filled.layers
        self.owner = owner

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """The prefix's keys and values of every row, with the row's own behind them."""
        layer = cast(Any, self.layers[layer_idx]) if layer_idx < len(self.layers) else None
        if layer is None or layer.keys is None or layer.keys.numel() == 0:
            return key_states, value_states
        keys, values = layer.keys[self.owner], layer.values[self.owner]
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


def keeps_keys(view: ModelView) -> bool:
    """Whether every layer keeps plain keys and values, so that the last token can go on alone."""
    return all(hasattr(layer, "keys") for layer in DynamicCache(config=view.model.config).layers)


def read_prefixes(view: ModelView, ids: Int[Tensor, "prompts length"]) -> PrefixCache:
    """Send the prompts without their last token through the model; row i of the cache is prompt i."""
    filled = DynamicCache(config=view.model.config)
    if ids.shape[1] > 1:
        before = ids[:, :-1]
        with torch.no_grad():
            view.model(input_ids=before, attention_mask=torch.ones_like(before), past_key_values=filled, use_cache=True)
    return PrefixCache(filled, torch.arange(len(ids), device=ids.device))

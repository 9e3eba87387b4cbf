"""Keys and values of prompts' prefixes: computed once, read by any number of rows, never written.

Prompts that begin alike share the work: a prefix that another one begins with is read from it, and what all prompts of
a pass begin with goes through the model once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache

from errata.model.head import decoder_of
from errata.model.hooks import frozen
from errata.model.view import ModelView

IMPLEMENTATION, REGISTERED = "_attn_implementation", "_global_mapping"


@final
class PrefixCache(DynamicCache):
    """Gives row i the prefix of prompt `owner[i]`, in front of the row's own key and value.

    Where `shared`, the model's attention reads the prefixes itself (`attention_to_prefixes`), and only the rows' own
    keys and values are handed on; else every row gets a copy of its prompt's.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], prompts: int, shared: bool) -> None:
        super().__init__()
        self.owner = torch.arange(prompts)
        self.prompts = prompts
        self.shared = shared
        for layer, (keys, values) in enumerate(layers):
            super().update(keys, values, layer)

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """The keys and values that the rows of one layer attend to."""
        if self.shared or layer_idx >= len(self.layers):
            return key_states, value_states
        keys, values = self.of(layer_idx)
        owner = self.owner.to(keys.device)
        return torch.cat([keys[owner], key_states], dim=-2), torch.cat([values[owner], value_states], dim=-2)

    def of(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of all prompts' prefixes in one layer, `[prompts, heads, length, width]`."""
        held = cast(Any, self.layers[layer])
        return held.keys, held.values


def keeps_keys(view: ModelView) -> bool:
    """Whether every layer keeps plain keys and values, so that the last token can go on alone."""
    return all(hasattr(layer, "keys") for layer in DynamicCache(config=view.model.config).layers)


@dataclass(frozen=True, slots=True, eq=False)
class Prefixes:
    """Prefixes of a group of prompts, right-aligned: `mask` is 1 on real tokens and on the last token behind them."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    mask: Int[Tensor, "prompts longest"]

    def cache(self, shared: bool) -> PrefixCache:
        """A fresh cache over these prefixes."""
        return PrefixCache(self.layers, len(self.mask), shared)

    def select(self, chosen: Sequence[int]) -> Prefixes:
        """The prefixes of some of the prompts."""
        index = list(chosen)
        return Prefixes(tuple((keys[index], values[index]) for keys, values in self.layers), self.mask[index])


@torch.no_grad()
def read_prefixes(view: ModelView, rows: Sequence[Sequence[int]]) -> Prefixes:
    """Send prompts without their last tokens through the model; what they share goes through once."""
    wanted = [tuple(row[:-1]) for row in rows]
    longest = max(map(len, wanted))
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * (len(row) + 1) for row in wanted], device=view.device)
    if longest == 0:
        return Prefixes((), mask)
    sources, source = _sources(wanted)
    with frozen(view.model):
        layers = _read(view, sources)
    lengths = torch.tensor([len(row) for row in wanted])
    columns = torch.arange(longest) - (longest - lengths)[:, None]
    if source == list(range(len(sources))) and bool((lengths == longest).all()):
        return Prefixes(layers, mask)
    chosen, columns = torch.tensor(source)[:, None], columns.clamp_min(0)
    return Prefixes(
        tuple((_gather(keys, chosen, columns), _gather(values, chosen, columns)) for keys, values in layers), mask
    )


def _gather(held: Tensor, source: Tensor, columns: Tensor) -> Tensor:
    """held[source[p], :, columns[p, j]] as [p, :, j]."""
    return held.transpose(1, 2)[source.to(held.device), columns.to(held.device)].transpose(1, 2)


def _sources(rows: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The rows that no other row begins with, each once, in order; and for every row the one that begins with it."""
    ordered = sorted(set(rows), reverse=True)
    holder: dict[tuple[int, ...], tuple[int, ...]] = {}
    last: tuple[int, ...] = ()
    for row in ordered:
        last = last if last[: len(row)] == row and last else row
        holder[row] = last
    places = {row: place for place, row in enumerate(dict.fromkeys(holder[row] for row in rows))}
    return list(places), [places[holder[row]] for row in rows]


def _read(view: ModelView, sources: list[tuple[int, ...]]) -> tuple[tuple[Tensor, Tensor], ...]:
    """Keys and values of every layer. Shorter rows are filled up behind their end, which nothing before it sees."""
    cache = DynamicCache()
    alike = (len(set(tokens)) == 1 for tokens in zip(*sources, strict=False))
    common = sum(1 for _ in takewhile(bool, alike)) if len(sources) > 1 else 0
    decoder = decoder_of(view)

    def go_on(rows: list[list[int]]) -> None:
        ids = torch.tensor(rows, device=view.device)
        mask = torch.ones(len(rows), cache.get_seq_length() + ids.shape[1], dtype=torch.long, device=view.device)
        decoder(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)

    if common > 0:
        go_on([list(sources[0][:common])])
        cache.batch_repeat_interleave(len(sources))
    longest = max(map(len, sources))
    if longest > common:
        go_on([[*row[common:], *[row[-1]] * (longest - len(row))] for row in sources])
    return tuple((cast(Any, layer).keys, cast(Any, layer).values) for layer in cache.layers)


@contextmanager
def attention_to_prefixes(view: ModelView, cache: PrefixCache) -> Generator[None, None, None]:
    """Inside, the model's attention reads shared prefixes from `cache`: no row copies its prompt's keys."""
    config, name, masks = view.model.config, f"errata-{id(cache)}", AttentionMaskInterface()
    own = getattr(config, IMPLEMENTATION)
    AttentionInterface.register(name, _reader(cache))
    if own in masks:
        AttentionMaskInterface.register(name, masks[own])
    setattr(config, IMPLEMENTATION, name)
    try:
        yield
    finally:
        setattr(config, IMPLEMENTATION, own)
        for interface in (AttentionInterface, AttentionMaskInterface):  # which have no way to take a name back
            getattr(interface, REGISTERED).pop(name, None)


def _reader(cache: PrefixCache) -> Callable[..., tuple[Tensor, None]]:
    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        **_kwargs: Any,
    ) -> tuple[Tensor, None]:
        if not cache.layers:
            groups = query.shape[1] // value.shape[1]
            return value.repeat_interleave(groups, dim=1).transpose(1, 2), None
        keys, values = cache.of(cast(Any, module).layer_idx)
        mask = None if attention_mask is None else attention_mask[: cache.prompts]
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return attend_to_prefixes(query, key, value, keys, values, mask, scale, softcap), None

    return attend


def attend_to_prefixes(
    query: Float[Tensor, "rows heads 1 width"],
    key: Float[Tensor, "rows kv_heads 1 width"],
    value: Float[Tensor, "rows kv_heads 1 v_width"],
    keys: Float[Tensor, "prompts kv_heads length width"],
    values: Float[Tensor, "prompts kv_heads length v_width"],
    mask: Float[Tensor, "prompts mask_heads 1 length+1"] | Bool[Tensor, "prompts mask_heads 1 length+1"] | None,
    scale: float,
    softcap: float | None = None,
) -> Float[Tensor, "rows 1 heads v_width"]:
    """softmax(scale · q [K, k]ᵀ + mask) [V, v]: row g·P + p attends to prompt p's prefix and to itself."""
    prompts, kv_heads, length, _ = keys.shape
    rows, heads = query.shape[:2]
    shape = (rows // prompts, prompts, kv_heads, heads // kv_heads)  # g, p, h, r
    q = query.reshape(*shape, -1).permute(1, 2, 0, 3, 4)  # p h g r width
    own_key = key.reshape(*shape[:3], 1, -1).permute(1, 2, 0, 3, 4)
    own_value = value.reshape(*shape[:3], 1, -1).permute(1, 2, 0, 3, 4)
    flat = q.reshape(prompts, kv_heads, -1, q.shape[-1])
    to_prefix = (flat @ keys.transpose(-1, -2)).view(*q.shape[:-1], length)
    logits = torch.cat([to_prefix, (q * own_key).sum(-1, keepdim=True)], dim=-1) * scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    if mask is not None:
        by_head = mask.expand(prompts, heads if mask.shape[1] > 1 else 1, 1, length + 1)
        by_head = by_head.view(prompts, -1, 1, shape[3] if mask.shape[1] > 1 else 1, length + 1)
        logits = logits.masked_fill(~by_head, float("-inf")) if mask.dtype == torch.bool else logits + by_head
    share = logits.softmax(-1, dtype=torch.float32 if logits.itemsize < 4 else None).to(value.dtype)
    from_prefix = share[..., :length].reshape(prompts, kv_heads, -1, length) @ values
    out = from_prefix.view(*q.shape[:-1], -1) + share[..., length:] * own_value
    return out.permute(2, 0, 1, 3, 4).reshape(rows, 1, heads, -1)

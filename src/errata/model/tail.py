"""Rows that go on from one position and one block on: what lies before either is computed once and kept.

A change at position p of block l reaches no earlier position, where attention is causal, and no lower block. So each
row's tokens before p stay behind as kept keys and values, and blocks below l as kept states; only the tail travels,
as often as it is asked for. The model's own forward runs. Whether a model allows it is tried out once, against whole
rows; where it does not, whole rows travel and all else is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from errata.model.fused import fused_activations
from errata.model.head import decoder_of
from errata.model.hooks import first_tensor, frozen
from errata.model.prefix import PrefixCache
from errata.model.tokens import pad_id, require_room, takes_positions
from errata.model.view import ModelView

# Rounding, amplified by the blocks; a wrong short cut is off by the size of the states themselves.
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Rows from their position `at` on: column `at[i]` of row i's tokens `ids` is the position that may change.

    `states` are what block `block` reads, None where the rows travel from the embedding; `kept` the keys and values of
    what stands before the tail in every layer, `mask` and `positions` are 1 and count over both.
    """

    view: ModelView
    block: int
    ids: Int[Tensor, "rows width"]
    at: Int[Tensor, " rows"]
    mask: Int[Tensor, "rows all"]
    positions: Int[Tensor, "rows width"]
    states: Float[Tensor, "rows width d_model"] | None = None
    kept: tuple[tuple[Tensor, Tensor], ...] = ()
    packed: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Int[Tensor, " some"]) -> Tail:
        """Some of the rows."""
        return Tail(
            self.view,
            self.block,
            self.ids[rows],
            self.at[rows],
            self.mask[rows],
            self.positions[rows],
            None if self.states is None else self.states[rows],
            tuple((keys[rows.to(keys.device)], values[rows.to(keys.device)]) for keys, values in self.kept),
            self.packed,
        )

    def final(self) -> Float[Tensor, "rows width d_model"]:
        """The decoder's last states of the tail; changes of modules from `block` on (hooks) take part."""
        cache = PrefixCache(self.kept, len(self), shared=False) if self.kept else None
        with self._from_block(), fused_activations(self.view):
            return decoder_of(self.view)(
                input_ids=self.ids,
                attention_mask=self.mask,
                past_key_values=cache,
                use_cache=cache is not None,
                **_positions(self.view, self.positions),
            )[0]

    @contextmanager
    def _from_block(self) -> Generator[None]:
        """Inside, the blocks below `block` hand on the kept states and compute nothing."""
        with ExitStack() as stack:
            if self.states is not None:
                for place, block in enumerate(self.view.structure.blocks[: self.block]):
                    stack.enter_context(_gives(block, self.states, self.packed[place]))
            yield


def tail(view: ModelView, rows: Sequence[Sequence[int]], at: Sequence[int], block: int) -> Tail:
    """The rows from position `at` of each and from block `block` on, as the model now is."""
    require_room(view.model, rows)
    whole = _whole(view, rows, at, block)
    if block == 0 and not any(at):  # nothing lies before
        return whole
    known = ("tail", block)
    with torch.no_grad(), frozen(view.model):
        if view.memo.get(known) is False:
            return whole
        short = _short(view, rows, at, block)
        if known not in view.memo:
            view.memo[known] = short is not None and _agree(short, whole)
    return short if short is not None and view.memo[known] else whole


def _whole(view: ModelView, rows: Sequence[Sequence[int]], at: Sequence[int], block: int) -> Tail:
    ids, mask, positions = _aligned(view, rows, [0] * len(rows))
    return Tail(view, block, ids, torch.tensor(at, device=view.device), mask, positions)


def _short(view: ModelView, rows: Sequence[Sequence[int]], at: Sequence[int], block: int) -> Tail | None:
    """Every row's tail; its position `at` stands in column 0. None where the model keeps no plain keys and values."""
    ids, mask, positions = _aligned(view, rows, at)
    front = max(at)
    cache = DynamicCache()
    seen: dict[int, Any] = {}

    def keep(place: int) -> Callable[..., None]:
        def hook(_block: nn.Module, _inputs: Any, output: Any) -> None:
            seen[place] = output

        return hook

    with ExitStack() as stack:
        for place, module in enumerate(view.structure.blocks[:block]):
            stack.callback(module.register_forward_hook(keep(place)).remove)
        decoder_of(view)(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **_positions(view, positions)
        )
    layers = [cast(Any, layer) for layer in cache.layers]
    if len(layers) != view.n_layers or not all(isinstance(getattr(layer, "keys", None), Tensor) for layer in layers):
        return None
    kept = tuple((layer.keys[:, :, :front].clone(), layer.values[:, :, :front].clone()) for layer in layers)
    return Tail(
        view,
        block,
        ids[:, front:],
        torch.zeros(len(rows), dtype=torch.long, device=view.device),
        mask,
        positions[:, front:],
        first_tensor(seen[block - 1])[:, front:].clone() if block > 0 else None,
        kept if front > 0 else (),
        tuple(len(seen[place]) if isinstance(seen[place], tuple) else 0 for place in range(block)),
    )


def _aligned(view: ModelView, rows: Sequence[Sequence[int]], at: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and positions of the rows, padded so that each one's position `at` stands in one column."""
    front, behind = max(at), max(len(row) - place for row, place in zip(rows, at, strict=True))
    ids = torch.full((len(rows), front + behind), pad_id(view.tokenizer), dtype=torch.long)
    mask = torch.zeros(len(rows), front + behind, dtype=torch.long)
    for i, (row, place) in enumerate(zip(rows, at, strict=True)):
        ids[i, front - place : front - place + len(row)] = torch.tensor(list(row))
        mask[i, front - place : front - place + len(row)] = 1
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    return ids.to(view.device), mask.to(view.device), positions.to(view.device)


def _agree(short: Tail, whole: Tail) -> bool:
    """Whether both give the same last states at every real token of the tails."""
    try:
        ours = short.final()
    except (RuntimeError, ValueError, TypeError, IndexError):  # a model whose blocks or cache allow no such thing
        return False
    theirs = whole.final()
    scale = float(theirs.abs().max())
    for row in range(len(short)):
        width = int(short.mask[row, -short.ids.shape[1] :].sum())
        start = int(whole.at[row])
        if float((ours[row, :width] - theirs[row, start : start + width]).abs().max()) > TOLERANCE * scale:
            return False
    return True


def _positions(view: ModelView, positions: Tensor) -> dict[str, Tensor]:
    return {"position_ids": positions} if takes_positions(decoder_of(view)) else {}


@contextmanager
def _gives(block: nn.Module, states: Tensor, packed: int) -> Generator[None]:
    """Inside, the block returns `states`, as the first of `packed` outputs where it returns a tuple."""
    own = block.__dict__.get("forward")
    block.forward = lambda *_args, **_kwargs: (states, *[None] * (packed - 1)) if packed else states
    try:
        yield
    finally:
        del block.forward
        if own is not None:
            block.forward = own

"""Greedy decoding in batches: every row goes on until it has ended, and an ended row travels no further.

What prompts share is read once (`errata.model.prefix`), and then one token of every running row goes through the
model at a time. Whether a model allows that is tried out once, against its own `generate`, which is taken where it
does not: the tokens are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast, final

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, StoppingCriteria
from transformers.utils import logging

from errata.model.grouping import groups
from errata.model.hooks import frozen
from errata.model.prefix import keeps_keys, read_prefixes
from errata.model.tokens import pad, pad_id, takes_positions
from errata.model.view import ModelView

Row = Sequence[int]
# Whether the row of this place has ended with these new tokens; asked once for every token.
Ended = Callable[[int, Row], bool]
TRIED = 4  # tokens, in which both ways are compared
# Rows at once: as many as keep no more than so many bytes of keys and values, and so many at the least.
KEPT, FEWEST = 1 << 29, 128


@torch.no_grad()
def decode(
    view: ModelView, rows: Sequence[Row], most: int, ended: Ended, batch_size: int | None = None
) -> list[list[int]]:
    """The new tokens behind every row: at most `most`, up to and with the first at which it has `ended`.

    By default as many rows travel together as keep little memory, so a small model reads many at once.
    """
    found: list[list[int]] = [[] for _ in rows]
    batch_size = batch_size or _rows_at_once(view, max(map(len, rows), default=0) + most)
    with frozen(view.model):
        own = _allowed(view, rows[:2]) if most > 0 else True
        for places in groups([len(row) for row in rows], batch_size, view.device):
            asked = [rows[place] for place in places]

            def over(at: int, new: Row, places: Sequence[int] = places) -> bool:
                return ended(places[at], new)

            new = (_token_by_token if own else _by_the_model)(view, asked, most, over)
            for place, tokens in zip(places, new, strict=True):
                found[place] = tokens
    return found


def _rows_at_once(view: ModelView, tokens: int) -> int:
    """How many rows of so many tokens are decoded together; their keys and values are at most d_model wide."""
    kept = 2 * view.n_layers * view.d_model * view.dtype.itemsize * max(1, tokens)
    return max(FEWEST, KEPT // kept)


def _token_by_token(view: ModelView, rows: Sequence[Row], most: int, ended: Ended) -> list[list[int]]:
    prefixes = read_prefixes(view, rows)
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(prefixes.layers):
        cache.update(keys, values, layer)
    new: list[list[int]] = [[] for _ in rows]
    running, mask = list(range(len(rows))), prefixes.mask
    fresh = torch.tensor([[row[-1]] for row in rows], device=view.device)
    positions = takes_positions(view.model)
    for _ in range(most):
        place = {"position_ids": mask.sum(-1, keepdim=True) - 1} if positions else {}
        logits = view.model(input_ids=fresh, attention_mask=mask, past_key_values=cache, use_cache=True, **place).logits
        fresh = logits[:, -1].argmax(-1, keepdim=True)
        for at, token in zip(running, fresh[:, 0].tolist(), strict=True):
            new[at].append(token)
        kept = [at for at, row in enumerate(running) if not ended(row, new[row])]
        if not kept:
            break
        if len(kept) < len(running):
            index = torch.tensor(kept, device=view.device)
            cache.batch_select_indices(index)
            running, fresh, mask = [running[at] for at in kept], fresh[index], mask[index]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=-1)
    return new


def _by_the_model(view: ModelView, rows: Sequence[Row], most: int, ended: Ended) -> list[list[int]]:
    batch = pad(rows, pad_id(view.tokenizer), "left", view.device)
    stop = _Ended(ended, len(rows), batch.ids.shape[1])
    with _plain(view, most) as settings:
        cast(Any, view.model).generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            generation_config=settings,
            stopping_criteria=[stop],
        )
    return stop.new


@final
class _Ended(StoppingCriteria):
    """Stops a row that has ended, and holds every row's tokens up to there."""

    def __init__(self, ended: Ended, rows: int, width: int) -> None:
        self._ended, self._width = ended, width
        self._running = set(range(rows))
        self.new: list[list[int]] = [[] for _ in range(rows)]

    def __call__(self, input_ids: Int[Tensor, "rows length"], *_: object, **__: object) -> Any:
        written = input_ids[:, self._width :].tolist()
        for row in list(self._running):
            self.new[row] = written[row]
            if self._ended(row, written[row]):
                self._running.discard(row)
        return torch.tensor([row not in self._running for row in range(len(self.new))], device=input_ids.device)


@contextmanager
def _plain(view: ModelView, most: int) -> Generator[GenerationConfig, None, None]:
    """Plain greedy settings; inside, the model's own, which would fill them up, are out of the way.

    Nor is the warning of a missing mask heard: `generate` itself drops a mask of ones.
    """
    own, shown = view.model.generation_config, logging.get_verbosity()
    settings = GenerationConfig(
        max_new_tokens=most, do_sample=False, num_beams=1, eos_token_id=None, pad_token_id=pad_id(view.tokenizer)
    )
    view.model.generation_config = GenerationConfig()
    logging.set_verbosity_error()
    try:
        yield settings
    finally:
        view.model.generation_config = own
        logging.set_verbosity(shown)


def _allowed(view: ModelView, rows: Sequence[Row]) -> bool:
    """Whether the model goes on token by token as it does by itself, tried out once on these rows."""
    if "token by token" not in view.memo:
        view.memo["token by token"] = keeps_keys(view) and _alike(view, rows)
    return bool(view.memo["token by token"])


def _alike(view: ModelView, rows: Sequence[Row]) -> bool:
    try:
        ours = _token_by_token(view, rows, TRIED, lambda _, __: False)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):  # no such cache or arguments
        return False
    return ours == _by_the_model(view, rows, TRIED, lambda _, __: False)

"""Text the model samples itself: contexts for keys and values, and tokens for a covariance without any data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor

from errata.model.hooks import frozen
from errata.model.tokens import encode, pad_id, require_room
from errata.model.view import ModelView


@torch.no_grad()
def sample_tokens(
    view: ModelView, count: int, length: int, seed: int, start: Sequence[int] = ()
) -> Int[Tensor, "count length"]:
    """Sample `count` texts of `length` tokens at temperature 1.

    Each goes on from the tokens `start`; by default from the tokenizer's beginning-of-sequence token, or, where there
    is none, from a random token.
    """
    start = list(start) or list(encode(view.tokenizer, "").ids)
    require_room(view.model, [range(length)])
    generator = torch.Generator().manual_seed(seed)
    if start:
        first = torch.tensor(start).repeat(count, 1)
    else:
        first = torch.randint(len(view.tokenizer), (count, 1), generator=generator)
    first = first.to(view.device)
    devices = [view.device] if view.device.type == "cuda" else []
    with frozen(view.model), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        return cast(Any, view.model).generate(
            input_ids=first,
            attention_mask=torch.ones_like(first),
            min_new_tokens=length - first.shape[1],
            max_new_tokens=length - first.shape[1],
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            pad_token_id=pad_id(view.tokenizer),
        )


def sample_contexts(view: ModelView, lengths: tuple[int, ...], seed: int) -> list[str]:
    """The bare context "" and one sampled prefix for each length, each closed by a full stop."""
    prefixes = [""]
    for length in sorted(set(lengths)):
        tokens = sample_tokens(view, lengths.count(length), length + 1, seed)
        for row in tokens:
            text = " ".join(str(view.tokenizer.decode(row[1:], skip_special_tokens=True)).split())
            prefixes.append(f"{text}. " if text else "")
    return prefixes


def contexts_of(view: ModelView, lengths: tuple[int, ...], seed: int) -> list[str]:
    """`sample_contexts` of the unedited model, sampled once a model."""
    key = ("contexts", lengths, seed)
    if key not in view.memo:
        with view.unedited():
            view.memo[key] = sample_contexts(view, lengths, seed)
    return cast(list[str], view.memo[key])


def tokens_of(
    view: ModelView, count: int, length: int, seed: int, start: tuple[int, ...]
) -> Int[Tensor, "count length"]:
    """`sample_tokens` of the unedited model, sampled once a model."""
    key = ("sampled", count, length, seed, start)
    if key not in view.memo:
        with view.unedited():
            view.memo[key] = sample_tokens(view, count, length, seed, start)
    return cast(Tensor, view.memo[key])

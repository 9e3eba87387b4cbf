"""The uncentred covariance of a layer's keys, C = E[k kᵀ], from text or from text the model samples itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from errata.associative.sampling import sample_tokens
from errata.deltas import fingerprint
from errata.model.hooks import capture_inputs, frozen
from errata.model.view import ModelView

WINDOW = 64
ROWS = 64


def covariance(
    view: ModelView, layer: int, tokens: int = 20_000, seed: int = 0, text: Sequence[str] | None = None
) -> Float[Tensor, "d_ff d_ff"]:
    """C in float64 over about `tokens` tokens of `text`, or of sampled text where none is given.

    Sequences are cut at 64 tokens, so that memory does not depend on the model's context. The result is kept with the
    view for as long as the layers below the value projection stay the same.
    """
    below = tuple(fingerprint(view.parameter(at)) for at in range(layer))
    key = ("covariance", layer, tokens, seed, None if text is None else tuple(text), below)
    if key not in view.memo:
        view.memo[key] = _measure(view, layer, _windows(view, tokens, seed, text))
    found = view.memo[key]
    assert isinstance(found, Tensor)
    return found


def _windows(
    view: ModelView, tokens: int, seed: int, text: Sequence[str] | None
) -> Iterable[Int[Tensor, "rows window"]]:
    if text is None:
        for number in range(-(-tokens // (WINDOW * ROWS))):
            yield sample_tokens(view, ROWS, WINDOW, seed + number)
        return
    stream = [token for line in text for token in view.tokenizer(line)["input_ids"]][:tokens]
    usable = len(stream) // WINDOW * WINDOW
    yield from torch.tensor(stream[:usable], device=view.device).view(-1, WINDOW).split(ROWS)


@torch.no_grad()
def _measure(view: ModelView, layer: int, windows: Iterable[Tensor]) -> Float[Tensor, "d_ff d_ff"]:
    total = torch.zeros(view.d_ff, view.d_ff, dtype=torch.float64)
    count = 0
    for ids in tqdm(windows, desc=f"covariance of layer {layer}", unit="batch", leave=False, disable=None):
        with frozen(view.model), capture_inputs([view.projection(layer)]) as seen:
            view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        # The first position is left out: its keys are outliers in many models and stand for no text.
        keys = seen[0].view(*ids.shape, -1)[:, 1:].reshape(-1, view.d_ff).double().cpu()
        total += keys.T @ keys
        count += len(keys)
    return total / count

"""The keys of several layers from one forward pass, which goes no further than the last of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from errata.model.hooks import capture_inputs, frozen
from errata.model.view import ModelView


@torch.no_grad()
def layer_keys(
    view: ModelView, layers: Sequence[int], ids: Int[Tensor, "rows positions"]
) -> dict[int, Float[Tensor, "rows positions d_ff"]]:
    """What the value projection of each layer reads at every position of unpadded rows."""
    if not layers:
        return {}
    ordered = sorted(layers)
    modules = [view.projection(layer) for layer in ordered]
    with frozen(view.model), capture_inputs(modules) as seen, _ended_by(modules[-1]):
        view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    return {layer: seen[at].view(*ids.shape, -1) for at, layer in enumerate(ordered)}


class _ReachedError(Exception):
    """The last module has been reached."""


@contextmanager
def _ended_by(module: nn.Module) -> Generator[None]:
    """Leave the block, without an error, as soon as a forward pass comes to `module`."""

    def end(*_: object) -> None:
        raise _ReachedError

    handle = module.register_forward_pre_hook(end)
    try:
        yield
    except _ReachedError:
        pass
    finally:
        handle.remove()

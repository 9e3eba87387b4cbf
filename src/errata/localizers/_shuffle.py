"""Neurons in random order within each layer: what every control that matches layers is drawn by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor


def order_of(shape: Sequence[int], generator: torch.Generator) -> Int[Tensor, "*some d_ff"]:
    """For each layer of each row, all its neurons in random order; `values.gather(-1, order)` shuffles."""
    return torch.rand(*shape, generator=generator).argsort(-1)

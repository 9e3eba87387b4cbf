"""Run activations that are written out step by step as the one kernel that computes the same function."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from errata.model.view import ModelView

TANH_GELU: Callable[[Tensor], Tensor] = partial(functional.gelu, approximate="tanh")


@contextmanager
def fused_activations(view: ModelView) -> Generator[None, None, None]:
    """Inside, every module that computes GELU's tanh form does so in one kernel; equal to rounding, with less memory.

    A module is known by what it computes on a grid of numbers, not by its name.
    """
    if "tanh gelu" not in view.memo:
        view.memo["tanh gelu"] = [module for module in view.model.modules() if _is_tanh_gelu(module)]
    found = [m for m in cast(list[nn.Module], view.memo["tanh gelu"]) if "forward" not in m.__dict__]
    try:
        for module in found:
            module.forward = TANH_GELU
        yield
    finally:
        for module in found:
            del module.forward


@torch.no_grad()
def _is_tanh_gelu(module: nn.Module) -> bool:
    """Whether a module without parts or parameters maps a grid as tanh-GELU does; exact GELU differs by 5e-4."""
    if next(module.children(), None) is not None or next(module.parameters(), None) is not None:
        return False
    grid = torch.linspace(-6, 6, 97)
    try:
        out = module(grid)
    except Exception:  # a module that takes anything but one tensor
        return False
    return isinstance(out, Tensor) and out.shape == grid.shape and torch.allclose(out, TANH_GELU(grid), atol=1e-5)

"""Find out once how rows may travel through a model, by trying every short cut against whole rows without a cache."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from errata.model.growth import Prompts, Way, grow
from errata.model.head import vocabulary_size
from errata.model.hooks import capture_outputs, first_tensor, frozen, with_first
from errata.model.opaque import no_gradient
from errata.model.prefix import keeps_keys, read_prefixes
from errata.model.scoring import OBJECTIVES
from errata.model.view import ModelView

# Rounding, amplified by a few layers; a wrong short cut is off by the size of the thing itself.
TOLERANCE = 3000.0


def way_of(view: ModelView) -> Way:
    """The fastest way that gives this model's own numbers; tried out once and remembered with the view."""
    if "way" not in view.memo:
        view.memo["way"] = _try_out(view)
    return cast(Way, view.memo["way"])


def prompts_of(
    view: ModelView, rows: Sequence[Sequence[int]], targets: Sequence[int], way: Way, at: Any = None
) -> Prompts:
    """Prompts of one pass over `rows`, which must have one length unless the way allows padding.

    `at` is the position predicted from in each row; the last one by default.
    """
    wanted = torch.tensor(targets, device=view.device)
    if way.cached:
        last = torch.tensor([[row[-1]] for row in rows], device=view.device)
        return Prompts(last, torch.zeros(len(rows), dtype=torch.long), wanted, read_prefixes(view, rows))
    place = torch.tensor([len(row) - 1 for row in rows] if at is None else at)
    return Prompts(torch.tensor([list(row) for row in rows], device=view.device), place, wanted)


def _try_out(view: ModelView) -> Way:
    vocabulary = vocabulary_size(view)
    rows = [[(7 * i + 3 * j + 1) % vocabulary for i in range(length)] for j, length in enumerate((4, 7))]
    with frozen(view.model):
        whole = Way(cached=False, shared=False, padded=False, behind=_adds(view, rows[1]))
        with _gradients_come_back(view.model):
            expected = [_slopes(view, [row], whole) for row in rows]
        if not keeps_keys(view):
            return whole
        for shared in (True, False):
            for padded in (True, False):
                way = replace(whole, cached=True, shared=shared, padded=padded)
                if _agrees(view, rows, way, expected):
                    return way
    return whole


@contextmanager
def _gradients_come_back(model: nn.Module) -> Generator[None, None, None]:
    """Inside, UnsupportedModelError is raised by a module that cuts the graph: a residual stream would hide that."""

    def check(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            goes_in = any(isinstance(part, Tensor) and part.requires_grad for part in inputs)
            if goes_in and isinstance(output, Tensor) and not output.requires_grad:
                raise no_gradient(f"{name} ({type(module).__name__})")

        return hook

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if next(module.children(), None) is None:
                stack.callback(module.register_forward_hook(check(name)).remove)
        yield


def _agrees(view: ModelView, rows: list[list[int]], way: Way, expected: list[Tensor]) -> bool:
    try:
        found = _slopes(view, rows, way).split(1) if way.padded else [_slopes(view, [row], way) for row in rows]
    except Exception:  # a short cut the model's code does not allow fails in many ways
        return False
    tolerance = min(0.1, TOLERANCE * torch.finfo(view.dtype).eps)
    return all(
        float((one - other).abs().max()) <= tolerance * float(other.abs().max())
        for one, other in zip(found, expected, strict=True)
    )


def _slopes(view: ModelView, rows: list[list[int]], way: Way) -> Tensor:
    """∂ log p/∂v at α = ½ of all layers `[prompts, layers, d_model]`."""
    halves = [torch.full((1, len(rows)), 0.5)] * view.n_layers
    grown = grow(view, prompts_of(view, rows, [1] * len(rows), way), halves, OBJECTIVES["log_probability"], way)
    return torch.stack([slope[0].float().cpu() for slope in grown.slopes], dim=1)


@torch.no_grad()
def _adds(view: ModelView, row: list[int]) -> tuple[bool, ...]:
    """Of each layer: whether adding any δ to v adds δ to the block's output, and nothing else."""
    ids = torch.tensor([row] * (view.n_layers + 1), device=view.device)
    mask, blocks = torch.ones_like(ids), view.structure.blocks
    noise = torch.randn(view.n_layers, view.d_model, generator=torch.Generator().manual_seed(0))
    with capture_outputs(blocks) as plain:
        view.model(input_ids=ids[:1], attention_mask=mask[:1], use_cache=False)
    added = [(noise[at] * plain[at][0, -1].float().norm().cpu() / view.d_model**0.5) for at in range(view.n_layers)]

    def add(layer: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            out = first_tensor(output).clone()
            out.view(len(ids), -1, view.d_model)[layer + 1, -1] += added[layer].to(out)
            return with_first(output, out)

        return hook

    with ExitStack() as stack:
        for projection in view.structure.projections:
            stack.callback(projection.module.register_forward_hook(add(projection.layer)).remove)
        with capture_outputs(blocks) as seen:
            view.model(input_ids=ids, attention_mask=mask, use_cache=False)
    return tuple(
        bool(
            torch.allclose((seen[at][at + 1, -1] - seen[at][0, -1]).float().cpu(), delta, atol=0.1 * float(delta.std()))
        )
        for at, delta in enumerate(added)
    )

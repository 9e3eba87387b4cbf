"""Find out once how rows may travel through a model, by trying every short cut against whole rows without a cache."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from errata.model.growth import Prompts, Way, first_sizes, grow
from errata.model.head import vocabulary_size
from errata.model.hooks import capture_outputs, first_tensor, frozen, with_first
from errata.model.opaque import no_gradient
from errata.model.prefix import keeps_keys, read_prefixes
from errata.model.scoring import OBJECTIVES
from errata.model.view import ModelView

# Rounding, amplified by a few layers; a wrong short cut is off by the size of the thing itself.
TOLERANCE = 3000.0


def way_of(view: ModelView) -> Way | None:
    """The fastest way that gives this model's own numbers, or None; tried out once and remembered with the view."""
    if "way" not in view.memo:
        view.memo["way"] = _try_out(view)
    return cast(Way | None, view.memo["way"])


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


def _try_out(view: ModelView) -> Way | None:
    vocabulary = vocabulary_size(view)
    rows = [[(7 * i + 3 * j + 1) % vocabulary for i in range(length)] for j, length in enumerate((4, 7))]
    with frozen(view.model):
        with _gradients_come_back(view.model):
            expected = [_plain_slopes(view, row) for row in rows]
        added, common = _adds(view, rows[1]), _common(view, rows[0])
        whole = Way(cached=False, shared=False, padded=False, behind=added, common=common)
        ways = [whole]
        if keeps_keys(view):
            kinds = [(shared, padded) for shared in (True, False) for padded in (True, False)]
            ways[:0] = [replace(whole, cached=True, shared=shared, padded=padded) for shared, padded in kinds]
        return next((way for way in ways if _agrees(view, rows, way, expected)), None)


def _plain_slopes(view: ModelView, row: list[int]) -> Tensor:
    """∂ log p/∂v at α = ½ of all layers `[1, layers, d_model]`: an ordinary batch, row l of it changed in layer l."""
    ids = torch.tensor([row] * view.n_layers, device=view.device)
    leaves: list[Tensor] = []
    biases = [view.bias(layer) for layer in range(view.n_layers)]

    def halve(layer: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            flat = first_tensor(output)
            out = flat.view(len(ids), -1, view.d_model).clone()
            bias = biases[layer]
            half = out[layer, -1].detach() / 2
            leaves.append((half if bias is None else half + bias.to(half) / 2).requires_grad_())
            out[layer, -1] = leaves[layer]
            return with_first(output, out.view(flat.shape))

        return hook

    with ExitStack() as stack, torch.enable_grad():
        for projection in view.structure.projections:
            stack.callback(projection.module.register_forward_hook(halve(projection.layer)).remove)
        logits = view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[:, -1]
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        found = torch.autograd.grad(wide.log_softmax(-1)[:, 1].sum(), leaves)
    return torch.stack([slope.float().cpu() for slope in view.ranks.agreed(list(found))])[None]


@torch.no_grad()
def _common(view: ModelView, row: list[int]) -> frozenset[str]:
    """Names of what blocks get once for all prompts: its first size is above 1, the same for two prompts and three."""
    sizes: list[dict[str, int]] = []

    def note(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        named = {name: value for name, value in kwargs.items() if name != "hidden_states"}
        sizes.append(dict(first_sizes({**{str(at): value for at, value in enumerate(args)}, **named})))

    for count in (2, 3):
        ids = torch.tensor([row] * count, device=view.device)
        # A mask that hides nothing may be left out.
        mask = torch.ones_like(ids)
        mask[0, 0] = 0
        handle = view.structure.blocks[0].register_forward_pre_hook(note, with_kwargs=True)
        try:
            view.model(input_ids=ids, attention_mask=mask, use_cache=False)
        finally:
            handle.remove()
    two, three = sizes
    return frozenset(name for name, size in two.items() if size > 1 and three.get(name) == size)


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
    eps = max(torch.finfo(view.dtype).eps, torch.finfo(torch.float32).eps)  # some norms work in float32 at most
    tolerance = min(0.1, TOLERANCE * eps)
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

"""Find a causal model's blocks and their value projections by structure, or say why not.

A value projection is the linear map d_ff → d_model that ends a feed-forward network: v = W k. In every block, of all
linear maps outside position-mixing submodules (attention, recurrences, convolutions), it is the one whose input
another map makes from d_model. No model name and no module name is consulted.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, cast

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from errata.errors import UnsupportedModelError

# A module whose forward takes one of these sees other positions than its own.
MIXES_POSITIONS = frozenset(
    {
        "attention_mask",
        "attn_mask",
        "attn_mask_h",
        "mask",
        "alibi",
        "position_bias",
        "position_ids",
        "position_embeddings",
        "past_key_values",
        "past_key_value",
        "layer_past",
        "cache_params",
        "state",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class ValueProjection:
    """One layer's value projection: `weight` holds W `[d_model, d_ff]`, or Wᵀ where `transposed`.

    `key_maps` are the linear maps from d_model that make its key: to d_ff, or to 2 · d_ff with the gate in front.
    """

    layer: int
    name: str
    module: nn.Module
    d_model: int
    d_ff: int
    transposed: bool
    gated: bool
    key_maps: tuple[nn.Module, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The main stack of a model: its blocks, in order, each with its value projection."""

    stack: str
    blocks: tuple[nn.Module, ...]
    projections: tuple[ValueProjection, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _LinearMap:
    name: str
    module: nn.Module
    d_in: int
    d_out: int


def find(model: PreTrainedModel, value_projection: str | None = None) -> Structure:
    """Find the main stack and the value projection of each of its blocks.

    `value_projection` names the map inside a block (for example `mlp.down_proj`) where structure alone leaves a choice.
    Raises UnsupportedModelError, with the candidates and the way out, when a block has none or several.
    """
    width, depth = _size(model)
    stack, blocks = _main_stack(model, depth)
    projections = tuple(
        _value_projection(layer, f"{stack}.{layer}", block, width, value_projection)
        for layer, block in enumerate(blocks)
    )
    if len({id(getattr(projection.module, "weight", projection.module)) for projection in projections}) < len(
        projections
    ):
        raise UnsupportedModelError(
            f"Layers of {stack} share one value projection: an edit of one layer would change the others. "
            "Use a model whose layers have weights of their own."
        )
    return Structure(stack, tuple(blocks), projections)


def linear_shape(module: nn.Module) -> tuple[int, int] | None:
    """(in, out) of a linear map; None for anything else."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):
        return module.weight.shape[0], module.weight.shape[1]
    return None


def _size(model: PreTrainedModel) -> tuple[int, int | None]:
    """(d_model, number of layers) by the text part's config; the number only where it says one."""
    config = model.config.get_text_config(decoder=True)
    width, depth = getattr(config, "hidden_size", None), getattr(config, "num_hidden_layers", None)
    if not isinstance(width, int):
        raise UnsupportedModelError(
            f"{type(model).__name__} names no single hidden_size ({width}): expected one residual width for all layers."
        )
    return width, depth if isinstance(depth, int) else None


def _main_stack(model: PreTrainedModel, depth: int | None) -> tuple[str, nn.ModuleList]:
    """The largest outermost list of modules in the text decoder, as long as the config says where one is."""
    decoder = cast(object, model.get_decoder())
    inside = set(decoder.modules()) if isinstance(decoder, nn.Module) else set[nn.Module]()
    lists = list(_outermost_lists(model))
    lists = [found for found in lists if found[1] in inside] or lists
    lists = [found for found in lists if len(found[1]) == depth] or lists
    if not lists:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no stack of blocks: expected a transformer with a ModuleList of layers."
        )
    name, stack = max(lists, key=lambda found: sum(p.numel() for p in found[1].parameters()))
    kinds = [type(block) for block in stack]
    alike = [other for other, found in lists if found is not stack and [type(block) for block in found] == kinds]
    if alike:
        raise UnsupportedModelError(
            f"{type(model).__name__} has several stacks of the same blocks ({', '.join([name, *alike])}): expected one "
            "stack that a token passes once. Use a model with a single stack."
        )
    return name, stack


def _outermost_lists(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.ModuleList]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList) and len(child) > 0:
            yield f"{prefix}{name}", child
        else:
            yield from _outermost_lists(child, f"{prefix}{name}.")


def _mixes_positions(module: nn.Module) -> bool:
    if any(isinstance(child, nn.Conv1d) for child in module.children()):
        return True
    return not MIXES_POSITIONS.isdisjoint(inspect.signature(module.forward).parameters)


def _position_wise(block: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Every submodule of a block that works on each position by itself."""
    for name, child in block.named_children():
        if not _mixes_positions(child):
            yield f"{prefix}{name}", child
            yield from _position_wise(child, f"{prefix}{name}.")


def _linear_maps(modules: Iterator[tuple[str, nn.Module]]) -> list[_LinearMap]:
    return [_LinearMap(name, module, *shape) for name, module in modules if (shape := linear_shape(module))]


def _value_projection(layer: int, path: str, block: nn.Module, width: int, wanted: str | None) -> ValueProjection:
    maps = _linear_maps(_position_wise(block))
    chosen = _named(path, block, width, wanted) if wanted is not None else _only_candidate(path, block, width, maps)
    d_model, d_ff = chosen.d_out, chosen.d_in
    made = [(other.d_in, other.d_out) for other in maps if other.module is not chosen.module]
    gated = (d_model, 2 * d_ff) in made or made.count((d_model, d_ff)) > 1
    transposed = isinstance(chosen.module, Conv1D)
    key_maps = tuple(
        other.module for other in maps if (other.d_in, other.d_out) in ((d_model, d_ff), (d_model, 2 * d_ff))
    )
    return ValueProjection(layer, f"{path}.{chosen.name}", chosen.module, d_model, d_ff, transposed, gated, key_maps)


def _named(path: str, block: nn.Module, width: int, wanted: str) -> _LinearMap:
    maps = [found for found in _linear_maps(block.named_modules()) if found.d_out == width]
    for found in maps:
        if found.name == wanted:
            return found
    names = ", ".join(found.name for found in maps) or "none"
    raise UnsupportedModelError(f"{path} has no linear map {wanted!r}: value_projection may be one of {names}.")


def _only_candidate(path: str, block: nn.Module, width: int, maps: list[_LinearMap]) -> _LinearMap:
    if _has_experts(block, width):
        raise UnsupportedModelError(
            f"{path} is a mixture of experts: a fact's key goes to different experts in different prompts, so a layer "
            "has no one value projection. Use a dense model of the same family; experts are not supported yet."
        )
    candidates = [found for found in maps if found.d_out == width and _is_fed(found, maps)]
    if len(candidates) != 1:
        _refuse(path, block, candidates)
    return candidates[0]


def _is_fed(candidate: _LinearMap, maps: list[_LinearMap]) -> bool:
    """Whether another map makes the candidate's input from d_model, at once (d_ff) or with its gate (2·d_ff)."""
    makes = ((candidate.d_out, candidate.d_in), (candidate.d_out, 2 * candidate.d_in))
    return any((other.d_in, other.d_out) in makes for other in maps if other is not candidate)


def _has_experts(block: nn.Module, width: int) -> bool:
    """Whether a block holds several networks side by side: stacked in a 3-D parameter, or listed."""
    modules = [module for _, module in _position_wise(block)]
    stacked = any(p.ndim == 3 and min(p.shape) > 1 for m in modules for p in m.parameters(recurse=False))
    return stacked or any(
        len(module) > 1 and all(_leads_to(child, width) for child in module)
        for module in modules
        if isinstance(module, nn.ModuleList)
    )


def _leads_to(module: nn.Module, width: int) -> bool:
    return any(shape[1] == width for inner in module.children() if (shape := linear_shape(inner)))


def _refuse(path: str, block: nn.Module, candidates: list[_LinearMap]) -> NoReturn:
    if not candidates:
        raise UnsupportedModelError(
            f"{path} ({type(block).__name__}) has no feed-forward value projection: expected one linear map "
            "d_ff → d_model behind a map d_model → d_ff. Name it with value_projection='…' if it is there under "
            "another shape."
        )
    names, widest = ", ".join(found.name for found in candidates), max(candidates, key=lambda found: found.d_in)
    raise UnsupportedModelError(
        f"{path} has {len(candidates)} candidates for the value projection ({names}): expected one. "
        f"Choose with value_projection='…', for example '{widest.name}'."
    )

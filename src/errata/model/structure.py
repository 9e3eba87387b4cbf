"""Find a causal model's blocks and their value projections by structure, or say why not.

A value projection is the linear map d_ff → d_model that ends a feed-forward network: v = W k. In every block, of all
linear maps outside position-mixing submodules (attention, recurrences, convolutions), it is the one whose input
another map makes from d_model. No model name and no module name is consulted.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from errata.errors import UnsupportedModelError

# A module whose forward takes one of these sees other positions than its own.
MIXES_POSITIONS = frozenset(
    {"attention_mask", "past_key_values", "past_key_value", "layer_past", "cache_params", "position_embeddings", "alibi"}
)


@dataclass(frozen=True, slots=True, eq=False)
class ValueProjection:
    """One layer's value projection: `weight` holds W `[d_model, d_ff]`, or Wᵀ where `transposed`."""

    layer: int
    name: str
    module: nn.Module
    d_model: int
    d_ff: int
    transposed: bool
    gated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The main stack of a model: its blocks, in order, each with its value projection."""

    stack: str
    blocks: tuple[nn.Module, ...]
    projections: tuple[ValueProjection, ...]


def find(model: PreTrainedModel, value_projection: str | None = None) -> Structure:
    """Find the main stack and the value projection of each of its blocks.

    `value_projection` names the map inside a block (for example `mlp.down_proj`) where structure alone leaves a choice.
    Raises UnsupportedModelError, with the candidates and the way out, when a block has none or several.
    """
    stack, blocks = _main_stack(model)
    width = model.config.get_text_config().hidden_size
    projections = tuple(
        _value_projection(layer, f"{stack}.{layer}", block, width, value_projection)
        for layer, block in enumerate(blocks)
    )
    return Structure(stack, tuple(blocks), projections)


def _main_stack(model: nn.Module) -> tuple[str, nn.ModuleList]:
    stacks = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 0 and len({type(block) for block in module}) == 1
    ]
    if not stacks:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no stack of like blocks: expected a transformer with a ModuleList of layers."
        )
    return max(stacks, key=lambda stack: sum(p.numel() for p in stack[1].parameters()))


def linear_shape(module: nn.Module) -> tuple[int, int] | None:
    """(in, out) of a linear map; None for anything else."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):
        return module.weight.shape[0], module.weight.shape[1]
    return None


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


def _value_projection(layer: int, path: str, block: nn.Module, width: int, wanted: str | None) -> ValueProjection:
    maps = [(name, module, shape) for name, module in _position_wise(block) if (shape := linear_shape(module))]
    made = [shape for _, _, shape in maps]
    candidates = [
        (name, module, d_ff, d_model)
        for name, module, (d_ff, d_model) in maps
        if d_model == width
        and any(shape in ((d_model, d_ff), (d_model, 2 * d_ff)) for _, other, shape in maps if other is not module)
    ]
    if wanted is not None:
        candidates = [(n, m, *s) for n, m, s in maps if n == wanted]
        if not candidates:
            names = ", ".join(name for name, _, _ in maps) or "none"
            raise UnsupportedModelError(f"{path} has no linear map {wanted!r}: value_projection may be one of {names}.")
    if len(candidates) != 1:
        _refuse(path, block, [name for name, *_ in candidates])
    name, module, d_ff, d_model = candidates[0]
    gated = (d_model, 2 * d_ff) in made or made.count((d_model, d_ff)) > 1
    return ValueProjection(layer, f"{path}.{name}", module, d_model, d_ff, isinstance(module, Conv1D), gated)


def _refuse(path: str, block: nn.Module, candidates: list[str]) -> None:
    inside_lists = {name for name, module in block.named_modules() if isinstance(module, nn.ModuleList)}
    expert_list = any(name.rpartition(".")[0].rpartition(".")[0] in inside_lists for name in candidates)
    expert_tensor = any(
        parameter.ndim == 3
        for _, module in _position_wise(block)
        if not isinstance(module, nn.Conv1d)
        for parameter in module.parameters(recurse=False)
    )
    if expert_list or expert_tensor:
        raise UnsupportedModelError(
            f"{path} is a mixture of experts: a fact's key goes to different experts in different prompts, so one value "
            "projection a layer does not exist. Use a dense model of the same family; experts are not supported yet."
        )
    if not candidates:
        raise UnsupportedModelError(
            f"{path} has no feed-forward value projection: expected one linear map d_ff → d_model behind a map "
            "d_model → d_ff. Name it with value_projection='…' if it is there under another shape."
        )
    raise UnsupportedModelError(
        f"{path} has {len(candidates)} candidates for the value projection ({', '.join(candidates)}): expected one. "
        f"Choose with value_projection='{candidates[0]}'."
    )

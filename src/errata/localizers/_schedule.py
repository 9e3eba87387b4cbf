"""Which prompts go through together: by length, padded where that pays, and no more at a time than memory holds."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor

from errata.errors import InputError
from errata.model.growth import Way, grow
from errata.model.head import CHUNK_BYTES
from errata.model.opaque import parts_of
from errata.model.scoring import OBJECTIVES
from errata.model.view import ModelView
from errata.model.ways import prompts_of

log = logging.getLogger(__name__)

# A pass costs about as much as this many tokens of prefix, however few rows it has: weights are read once a pass.
PASS_TOKENS = 64
# On a CPU, rows beyond these make products no faster and caches fuller.
CPU_ROWS = 4096
DEFAULT_CPU_BYTES = 1 << 30
# What the C library's heap takes for what is asked of it, measured with benchmarks/attribution.py.
HEAP = 1.7


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts that go through together, each layer's points in `parts` passes."""

    members: tuple[int, ...]
    parts: int


def schedule(
    view: ModelView, rows: Sequence[Sequence[int]], points: int, way: Way, memory: int | None = None
) -> list[Group]:
    """Divide prompts into groups for `points` variants a layer.

    Raises InputError where the memory is too little for one prompt.
    """
    budget = view.ranks.smallest(memory if memory is not None else _default_budget(view.device))
    groups: list[Group] = []
    for together in by_length([len(row) for row in rows], way.padded):
        length = max(len(rows[i]) for i in together)
        size, parts = _fit(view, length, points, way, budget)
        ordered = sorted(together, key=lambda i: tuple(rows[i]))
        count = math.ceil(len(ordered) / size)
        bounds = [round(part * len(ordered) / count) for part in range(count + 1)]
        groups += [Group(tuple(ordered[a:b]), parts) for a, b in pairwise(bounds)]
    log.info("%d prompts in %d groups, at most %.2f GiB each", len(rows), len(groups), budget / 2**30)
    return groups


def by_length(lengths: Sequence[int], padded: bool) -> list[list[int]]:
    """Indices in groups of like length; with `padded`, shorter ones join longer ones where that costs less than a pass.

    The cheapest division of the sorted lengths, by cost(group) = PASS_TOKENS + Σ (longest − length).
    """
    members: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        members.setdefault(length, []).append(index)
    kinds = sorted(members)
    if not padded:
        return [members[kind] for kind in kinds]
    best: list[tuple[int, int]] = [(0, 0)]
    for last, longest in enumerate(kinds):
        padding = list(accumulate((longest - kinds[at]) * len(members[kinds[at]]) for at in range(last, -1, -1)))
        options = [(best[last - back][0] + PASS_TOKENS + padding[back], last - back) for back in range(last + 1)]
        best.append(min(options))
    found, end = list[list[int]](), len(kinds)
    while end > 0:
        start = best[end][1]
        found.append([index for kind in kinds[start:end] for index in members[kind]])
        end = start
    return found[::-1]


def _fit(view: ModelView, length: int, points: int, way: Way, budget: int) -> tuple[int, int]:
    """How many prompts of a length fit in a pass, and in how many parts their points go through."""
    fixed = 2 * CHUNK_BYTES
    for parts in range(1, points + 1):
        each = estimate(view, length, math.ceil(points / parts), way)
        if fixed + each <= budget:
            size = (budget - fixed) // each
            top = 1 + view.n_layers * math.ceil(points / parts)
            return (max(1, min(size, CPU_ROWS // top)) if view.device.type == "cpu" else size), parts
    needed = (fixed + estimate(view, length, 1, way)) / 2**20
    raise InputError(
        f"One prompt of {length} tokens needs about {needed:.0f} MiB for one point a layer, and the budget is "
        f"{budget / 2**20:.0f} MiB: give more memory."
    )


def estimate(view: ModelView, length: int, points: int, way: Way) -> int:
    """Bytes that one prompt takes in a pass: what its rows keep for the way back, its keys and values, its results."""
    layers, size = view.n_layers, view.dtype.itemsize
    width = 1 if way.cached else length
    row_blocks = layers + points * layers * (layers + 1) // 2
    heads = int(getattr(view.model.config.get_text_config(decoder=True), "num_attention_heads", 1))
    attention = heads * length * size
    passing = (1 + points * layers) * width * (4 * view.d_ff * size + 6 * attention)
    prefix = length * (3 * layers * view.d_model + 6 * view.d_ff) * size
    results = layers * (2 * view.d_ff + (points + 4) * view.d_model) * max(size, 4)
    total = row_blocks * width * (row_bytes(view, way) + attention) + passing + prefix + results
    return total if view.device.type == "cuda" else int(HEAP * total)


def row_bytes(view: ModelView, way: Way) -> int:
    """Bytes that one token of one row keeps in one block for the way back, measured once."""
    if "row_bytes" not in view.memo:
        length = 3
        few, many = (_kept(view, way, length, points) for points in (1, 5))
        row_blocks = 4 * view.n_layers * (view.n_layers + 1) / 2 * (1 if way.cached else length)
        view.memo["row_bytes"] = -view.ranks.smallest(-math.ceil((many - few) / row_blocks))
    return cast(int, view.memo["row_bytes"])


def _kept(view: ModelView, way: Way, length: int, points: int) -> int:
    """Bytes of all tensors that a small pass keeps for the way back, parameters aside."""
    weights = {part.untyped_storage().data_ptr() for p in view.model.parameters() for part in parts_of(p)}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        for part in parts_of(tensor):
            storage = part.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    prompts = prompts_of(view, [list(range(1, 1 + length))], [1], way)
    alphas = [torch.full((points, 1), 0.5)] * view.n_layers
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        grow(view, prompts, alphas, OBJECTIVES["log_probability"], way)
    return sum(kept.values())


def _default_budget(device: torch.device) -> int:
    """Half of what is free on a GPU, 1 GiB elsewhere."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else DEFAULT_CPU_BYTES

"""The corrupted run: a prompt whose subject is disturbed, and what restoring a state of the clean run brings back.

    e_t ← e_t + ε_t,   ε_t ~ N(0, (ν σ)²)        for the subject's tokens; σ: standard deviation of the embeddings
    effect(t, l) = f(corrupted, block l's output at t as in the clean run) − f(corrupted)        mean over draws of ε

Source: Meng et al. 2022 (ROME, §2.1), ν = 3.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from errata.localizers._asked import Row
from errata.localizers._slopes import objective_of
from errata.model.hooks import capture_inputs, capture_outputs, change_output, frozen
from errata.model.scoring import Objective
from errata.model.view import ModelView


@torch.no_grad()
def disturbance(
    view: ModelView, row: Row, noise: float, draws: int, generator: torch.Generator
) -> Float[Tensor, "draws positions width"]:
    """ε of each draw: noise at the subject's tokens, zero elsewhere."""
    embedding = cast(Any, view.model.get_input_embeddings())
    ids = torch.tensor(row.ids, device=embedding.weight.device)
    rows, made = embedding.weight[ids], embedding(ids)
    scale = float(made.norm() / rows.norm())  # some models multiply what they look up
    found = torch.zeros(draws, len(row.ids), embedding.weight.shape[1])
    drawn = torch.randn(draws, len(row.subject), embedding.weight.shape[1], generator=generator)
    found[:, row.subject.start : row.subject.stop] = noise * scale * float(embedding.weight.std()) * drawn
    return found.to(made)


@contextmanager
def corrupted(view: ModelView, noise: Float[Tensor, "rows positions width"]) -> Generator[None]:
    """Inside, the embeddings are disturbed; one row of noise is the same for all."""
    embedding = view.model.get_input_embeddings()
    with change_output(embedding, lambda out: out + noise.to(out)):
        yield


@torch.no_grad()
def clean_keys(view: ModelView, row: Row) -> list[Float[Tensor, "positions width"]]:
    """The neurons of every layer at every position, nothing disturbed."""
    modules = [projection.module for projection in view.structure.projections]
    with frozen(view.model), capture_inputs(modules) as seen:
        _run(view, row, 1)
        return [seen[layer].reshape(len(row.ids), -1).clone() for layer in range(view.n_layers)]


@torch.no_grad()
def state_effects(
    view: ModelView, row: Row, noise: Float[Tensor, "draws positions width"], objective: Objective
) -> Float[Tensor, "positions layers"]:
    """effect(t, l) of every position and layer; positions in front of the subject have none."""
    blocks = view.structure.blocks
    rows = [row] * len(noise)
    effects = torch.zeros(len(row.ids), view.n_layers)
    with frozen(view.model):
        with capture_outputs(blocks) as clean:
            _run(view, row, 1)
        with corrupted(view, noise):
            floor = objective_of(view, rows, objective).mean()
            for position in range(row.subject.start, len(row.ids)):
                for layer, block in enumerate(blocks):
                    with change_output(block, _restored(clean[layer], position)):
                        effects[position, layer] = float(objective_of(view, rows, objective).mean() - floor)
    return effects


def _restored(clean: Tensor, position: int) -> Callable[[Tensor], Tensor]:
    def restore(out: Tensor) -> Tensor:
        changed = out.clone()
        changed[:, position] = clean[:, position]
        return changed

    return restore


def _run(view: ModelView, row: Row, rows: int) -> None:
    ids = torch.tensor([row.ids] * rows, device=view.device)
    view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)

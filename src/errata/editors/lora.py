"""LoRA: fine-tune a low-rank ΔW of value projections, by PEFT's adapters.

    W_l ← W_l + s B_l A_l ,   A_l `[rank, d_ff]` random, B_l `[d_model, rank]` zero at first ,   s = alpha / rank
    L = −1/T Σ_{j=1..T} log p(y_j | x, y_<j)       mean over facts, by Adam

Sources: Hu et al. 2022 (LoRA), eq. 3; s = alpha/√rank by Kalajdzievski 2023 (`rank_stabilised`).

Departures: the adapted matrices are value projections, where edits are kept, instead of attention's; every layer's by
default. Rank, scale, rate, steps and stop are ours. The adapters are put in for the length of the optimisation; the
delta is left = s B, right = A, and the very modules of before stand in the model again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, cast, final

import torch

from errata.editors._gradient import Descent, batches, below, descend, measured
from errata.editors._linear import checked_layers
from errata.editors._questions import targets
from errata.errors import InputError, MissingPackageError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor
from errata.model.hooks import frozen
from errata.model.view import ModelView

ADAPTER = "errata"


@dataclass(frozen=True)
class Lora(Editor):
    """Low-rank adaptation of value projections.

    `layers`           the adapted layers, in order; None: all
    `rank`             columns of B
    `alpha`            s is alpha / rank
    `rank_stabilised`  s is alpha / √rank instead
    `lr`               Adam's learning rate
    `steps`            Adam's steps at most
    `stop`             mean NLL in nats at which it is done; 0: never
    `together`         texts in one pass: memory grows with it
    `seed`             of A
    """

    layers: tuple[int, ...] | None = None
    rank: int = 8
    alpha: float = 16.0
    rank_stabilised: bool = False
    lr: float = 1e-3
    steps: int = 50
    stop: float = 0.01
    together: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"There is no rank {self.rank}: give a number from 1.")

    @final
    def require_packages(self) -> None:
        """Raise MissingPackageError where PEFT is not installed."""
        try:
            import_module("peft")
        except ImportError as error:
            raise MissingPackageError(
                "LoRA needs PEFT, which is not installed: pip install 'errata-lm[peft]'"
            ) from error

    @final
    def settled(self, view: ModelView) -> Lora:
        """With its layers as they are for this model."""
        return replace(self, layers=self.edited_layers(view))

    @final
    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The layers it writes to, in order."""
        return checked_layers(view, range(view.n_layers) if self.layers is None else tuple(self.layers))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        layers = self.edited_layers(view)
        with frozen(view.model):
            parts = batches(view, targets(view, facts), layers[0], self.together)
            with _adapted(view, layers, self) as adapters:
                free = [factor for a in adapters for factor in (a.lora_A[ADAPTER].weight, a.lora_B[ADAPTER].weight)]
                answers, steps = descend(Descent(free, self.lr), parts, self.steps, below(self.stop))
                deltas = [
                    view.delta(layer, a.scaling[ADAPTER] * a.lora_B[ADAPTER].weight, a.lora_A[ADAPTER].weight)
                    for layer, a in zip(layers, adapters, strict=True)
                ]
        return Computed(deltas, {"layers": list(layers), **measured(answers, len(facts), steps)})


@contextmanager
def _adapted(view: ModelView, layers: Sequence[int], own: Lora) -> Generator[list[Any]]:
    """Inside, the layers' value projections carry adapters; behind it the model's own modules stand there again."""
    own.require_packages()
    from peft import LoraConfig, inject_adapter_in_model

    projections = [view.structure.projections[layer] for layer in layers]
    holders = [view.model.get_submodule(projection.name.rpartition(".")[0]) for projection in projections]
    known = set(view.model.__dict__)
    config = LoraConfig(
        r=own.rank,
        lora_alpha=cast(int, own.alpha),
        use_rslora=own.rank_stabilised,
        target_modules=[projection.name for projection in projections],
        fan_in_fan_out=projections[0].transposed,
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own.seed)
            inject_adapter_in_model(config, view.model, ADAPTER)
        adapters = [
            getattr(holder, projection.name.rpartition(".")[2])
            for holder, projection in zip(holders, projections, strict=True)
        ]
        for adapter in adapters:
            for factor in (adapter.lora_A, adapter.lora_B):
                factor.float()
        yield adapters
    finally:
        for holder, projection in zip(holders, projections, strict=True):
            setattr(holder, projection.name.rpartition(".")[2], projection.module)
        for name in set(view.model.__dict__) - known:
            delattr(view.model, name)


METHOD = Lora

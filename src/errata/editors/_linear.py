"""What the closed-form editors share: contexts, covariance, the spread over layers, and room for a guard."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor

from errata.associative.covariance import CovarianceSettings, covariances
from errata.associative.guard import Guard
from errata.associative.sampling import contexts_of
from errata.associative.solve import Weighting, by_covariance, by_identity
from errata.associative.spread import spread
from errata.associative.values import ValueSettings, optimise_values
from errata.deltas import Edit
from errata.editors._presets import preset
from errata.errors import EditError, InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, require_targets
from errata.model.view import ModelView

KEYS = "keys."


@dataclass(frozen=True)
class LinearEditor(Editor, ABC):
    """An editor that solves a linear system for its update.

    `values`             the optimisation of v* (ROME) or z (MEMIT); None: the model's preset
    `context_lengths`    tokens of each sampled context beside the bare prompt (published: ten of 5, ten of 10); None:
                         the model's preset
    `use_covariance`     A = C (GPT-2, GPT-J) or A = I (released settings of ROME for Llama and Mistral)
    `covariance_tokens`  tokens C is estimated from at most (see docs/statistics.md)
    `ridge`              added to C's diagonal, as a share of its mean (ours)
    `seed`               of the sampled text
    """

    values: ValueSettings | None = field(default=None, metadata={"parts": ValueSettings})
    context_lengths: tuple[int, ...] | None = None
    use_covariance: bool = True
    covariance_tokens: int = 500_000
    ridge: float = 1e-3
    seed: int = 0

    @abstractmethod
    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The layers it writes to, in order."""

    @abstractmethod
    def compute(
        self, view: ModelView, facts: Sequence[Fact], history: History, guards: Mapping[int, Guard]
    ) -> Computed:
        """The edit, kept by each guarded layer's guard."""

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        return self.compute(view, facts, history, {})

    def context_tokens(self, view: ModelView) -> tuple[int, ...]:
        """Tokens of each sampled context."""
        return preset(view).contexts if self.context_lengths is None else tuple(self.context_lengths)

    def contexts(self, view: ModelView) -> list[str]:
        """The bare context and the sampled ones, sampled once a model."""
        return contexts_of(view, self.context_tokens(view), self.seed)

    def weighting(self, view: ModelView, layer: int, weight: float = 1.0) -> Weighting:
        """A⁻¹ of weight · C, or of weight · I without covariance."""
        key = ("weighting", layer, weight, self.use_covariance, self.covariance_tokens, self.ridge, self.seed)
        if key not in view.memo:
            if self.use_covariance:
                view.memo[key] = by_covariance(self.covariance(view, layer), weight, self.ridge)
            else:
                view.memo[key] = by_identity(view.d_ff, weight)
        return cast(Weighting, view.memo[key])

    def covariance(self, view: ModelView, layer: int) -> Tensor:
        """C of one layer, of the unedited model; all edited layers are measured together."""
        settings = CovarianceSettings(tokens=self.covariance_tokens, seed=self.seed)
        return covariances(view, self.edited_layers(view), settings)[layer].matrix


@dataclass(frozen=True)
class SpreadEditor(LinearEditor, ABC):
    """An editor that moves h behind its last layer to z and spreads the move over its layers (MEMIT).

    `layers`  the edited layers, in order; None: the model's preset, or a part of its depth (see `errata layers`)
    """

    layers: tuple[int, ...] | None = None

    @abstractmethod
    def memory(self, view: ModelView, layer: int, history: History) -> Weighting:
        """A⁻¹ of one layer: what its keys besides the new ones weigh."""

    @final
    def settled(self, view: ModelView) -> SpreadEditor:
        """With its layers, contexts and optimisation as they are for this model."""
        values, contexts = self.values or preset(view).memit, self.context_tokens(view)
        return replace(self, layers=self.edited_layers(view), values=values, context_lengths=contexts)

    @final
    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The layers it writes to, in order."""
        chosen = preset(view).spread if self.layers is None else tuple(self.layers)
        return checked_layers(view, chosen)

    @final
    def compute(
        self, view: ModelView, facts: Sequence[Fact], history: History, guards: Mapping[int, Guard]
    ) -> Computed:
        """z of all facts together, then the least-squares update of every layer."""
        layers, contexts = self.edited_layers(view), self.contexts(view)
        last, known = layers[-1], preset(view)
        found = optimise_values(
            view,
            last,
            facts,
            require_targets(facts),
            contexts,
            self.values or known.memit,
            guards.get(last),
            site="block",
        )

        def update(layer: int, residual: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
            right, guard = self.memory(view, layer, history).rows(keys), guards.get(layer)
            if guard is None:
                return residual.T, right
            return guard.left(guard.project(residual, torch.arange(len(facts))).T), guard.right(right)

        deltas, keys = spread(view, layers, facts, contexts, found.delta, update)
        measured = {"nll": list(found.nll), "greedy": list(found.greedy), "value_norm": list(found.norm)}
        state = {f"{KEYS}{layer}": own.float() for layer, own in keys.items()}
        return Computed(deltas, {"layers": list(layers), **measured}, state)


def accumulated(history: History, layer: int, start: Weighting, name: str) -> Weighting:
    """`start` with the keys of all edits before: (A + K_pK_pᵀ)⁻¹; `name` says what `start` is.

    Raises EditError for keys of an earlier edit that do not fit the layer.
    """

    def step(state: Weighting, edit: Edit) -> Weighting:
        keys = edit.state.get(f"{KEYS}{layer}")
        if keys is None:
            return state
        if keys.ndim != 2 or keys.shape[1] != len(state.inverse) or not keys.is_floating_point():
            raise EditError(
                f"An edit by {edit.method} keeps keys of {tuple(keys.shape)} for layer {layer}, expected vectors of "
                f"{len(state.inverse)}: undo it, or take another method."
            )
        return state.after(keys)

    return history.fold(("accumulated", layer, name), lambda: start, step)


def default_lambda(view: ModelView) -> float:
    """MEMIT's λ where none is given: the model's preset, or d_ff."""
    return preset(view).lambda_c or float(view.d_ff)


def checked_layers(view: ModelView, layers: Sequence[int]) -> tuple[int, ...]:
    """The layers; raises InputError where the model has not all of them or they do not ascend."""
    if not layers or any(not 0 <= layer < view.n_layers for layer in layers):
        given = ", ".join(map(str, layers)) or "none"
        raise InputError(f"Layers {given} do not exist: the model has layers 0 to {view.n_layers - 1}.")
    if any(a >= b for a, b in pairwise(layers)):
        raise InputError(f"The layers {', '.join(map(str, layers))} do not ascend: name each once, lowest first.")
    return tuple(layers)

"""Edit a fact through its neurons' value vectors: replace the answer's direction by the target's, or scale them.

    correct    value_i ← value_i − λ₁ t + λ₂ t′                          (LAND eq. 7; `scale="printed"`)
               value_i ← value_i − λ₁ ‖value_i‖ t/‖t‖ + λ₂ ‖value_i‖ t′/‖t′‖      (Dai et al.; `scale="norm"`)
    suppress   value_i ← 0            for the fact's neurons
    amplify    value_i ← 2 value_i    for the fact's neurons
    erase      value_i ← 0            for the neurons that most of the given facts share (Dai et al.: the 20 most
                                      frequent of a relation)

value_i is column i of W, for every neuron (l, i) the localizer selects; t and t′ are the output embedding rows of the
answer and of the target. Scaling a value vector is scaling that neuron's activation at every position. Sources: Wu et
al. 2025 (LAND, §5.3); Dai et al. 2022 (Knowledge Neurons, §4.2, §5).

Departures: t and t′ are the rows of the first token in which answer and target differ; several facts are edited
together, each adding its own term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from errata.deltas import WeightDelta
from errata.errors import EditError, InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, Localizer, localizer, require_targets
from errata.model.head import answer_directions
from errata.model.tokens import encode_fact
from errata.model.view import ModelView
from errata.neurons import Neuron


@dataclass(frozen=True)
class NeuronValues(Editor):
    """Change the value vectors of the neurons that a localizer finds.

    `localizer`   finds each fact's neurons
    `action`      correct, suppress, amplify or erase (see the module's equations)
    `lambda_old`  λ₁ (LAND: 2; Dai: 1)
    `lambda_new`  λ₂ (LAND: 2; Dai: 8)
    `scale`       printed: λ multiplies the embedding itself; norm: the embedding is brought to the value's norm
    `factor`      what amplify multiplies by (the papers: 2)
    `most`        neurons that erase sets to zero (Dai: 20)
    """

    localizer: Localizer = field(default_factory=lambda: localizer("knowledge_neurons"))
    action: Literal["correct", "suppress", "amplify", "erase"] = "correct"
    lambda_old: float = 2.0
    lambda_new: float = 2.0
    scale: Literal["printed", "norm"] = "printed"
    factor: float = 2.0
    most: int = 20

    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        if self.action == "correct":
            require_targets(facts)
        found = self.localizer.attribute(view, facts)
        answered = [replace(fact, answer=fact.answer or a.answer) for fact, a in zip(facts, found, strict=True)]
        sets = [attribution.neurons for attribution in found]
        gaps = [a.gap for a in found if a.gap is not None]
        measured = {"neurons": [len(chosen) for chosen in sets], "gap": max(gaps, default=None)}
        if not any(sets):
            raise EditError("The localizer selected no neuron: lower its threshold.")
        match self.action:
            case "correct":
                terms = [self._direction(view, fact) for fact in answered]
                return Computed(self._corrections(view, list(zip(sets, terms, strict=True))), measured)
            case "suppress":
                return Computed(_scaled(view, {n for chosen in sets for n in chosen}, 0.0), measured)
            case "amplify":
                return Computed(_scaled(view, {n for chosen in sets for n in chosen}, self.factor), measured)
            case "erase":
                counts = Counter(neuron for chosen in sets for neuron in chosen)
                ranked = sorted(counts, key=lambda neuron: (-counts[neuron], neuron))
                return Computed(_scaled(view, set(ranked[: self.most]), 0.0), measured)

    def _direction(self, view: ModelView, fact: Fact) -> Float[Tensor, " d_model"]:
        """−λ₁ t + λ₂ t′, of unit embeddings where the scale is the value's norm."""
        embedding = answer_directions(view).float().cpu()
        old = encode_fact(view.tokenizer, fact, fact.answer or "").target
        new = encode_fact(view.tokenizer, fact, fact.target or "").target
        differ = next((pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]), None)
        if differ is None:
            raise InputError(f"{fact.answer!r} and {fact.target!r} share every token up to the shorter one's end.")
        t, t_new = embedding[differ[0]], embedding[differ[1]]
        if self.scale == "norm":
            t, t_new = t / t.norm(), t_new / t_new.norm()
        return -self.lambda_old * t + self.lambda_new * t_new

    def _corrections(self, view: ModelView, terms: list[tuple[Any, Tensor]]) -> list[WeightDelta]:
        """Rank one a fact and layer: the direction times the fact's neurons, each with its scale."""
        deltas = []
        for layer in range(view.n_layers):
            lefts, rights = [], []
            norms = view.weight(layer).float().norm(dim=0).cpu()
            for chosen, direction in terms:
                indices = list(chosen.in_layer(layer))
                if indices:
                    row = torch.zeros(view.d_ff)
                    row[indices] = norms[indices] if self.scale == "norm" else 1.0
                    lefts.append(direction)
                    rights.append(row)
            if lefts:
                deltas.append(view.delta(layer, torch.stack(lefts, dim=1), torch.stack(rights)))
        return deltas


def _scaled(view: ModelView, neurons: set[Neuron], factor: float) -> list[WeightDelta]:
    """value ← factor · value, exactly: (factor − 1) · column times a one-hot row for every neuron."""
    deltas = []
    for layer in range(view.n_layers):
        indices = sorted(index for at, index in neurons if at == layer)
        if indices:
            columns = view.weight(layer)[:, indices].float()
            rows = torch.zeros(len(indices), view.d_ff)
            rows[torch.arange(len(indices)), indices] = 1.0
            deltas.append(view.delta(layer, (factor - 1) * columns, rows))
    return deltas


METHOD = NeuronValues

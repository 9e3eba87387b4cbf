"""ROME in its consistent form (R-ROME): a rank-one update that makes one layer's memory answer anew.

    k* = mean over contexts of the value projection's input at the subject's last token
    u  = C⁻¹ k*                                  C = E[k kᵀ]
    v* = W k* + δ*                               δ* from errata.associative.values
    ΔW = (v* − W k*) uᵀ / (k*ᵀ u)

Sources: Meng et al. 2022 (ROME, eqs. 2–4); Gupta et al. 2024 (R-ROME: the same averaged k* in all three places).

Departures: C comes from text the model samples itself, with a small ridge. Two sampled contexts instead of twenty, up
to 60 steps and a lower stop: chosen on facts of pocket-gelu that no result uses (LOG.md, 2026-11-21). Several facts
are optimised together and folded in one after the other, each on the memory that the ones before it left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from errata.associative.covariance import covariance
from errata.associative.keys import subject_keys
from errata.associative.sampling import sample_contexts
from errata.associative.solve import rank_one, whiten
from errata.associative.values import ValueSettings, optimise_values
from errata.errors import InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, require_targets
from errata.model.tokens import encode_fact
from errata.model.view import ModelView


@dataclass(frozen=True)
class Rome(Editor):
    """Rank-one model editing at one layer.

    `layer`              edited layer; None: a fifth of the depth (published: 17 of 48, 5 of 28, 5 of 32)
    `values`             the optimisation of v*
    `context_lengths`    tokens of each sampled context beside the bare prompt (published: ten of 5, ten of 10)
    `use_covariance`     u = C⁻¹k* (GPT-2, GPT-J) or u = k* (released settings for Llama and Mistral)
    `covariance_tokens`  tokens C is estimated from
    `ridge`              added to C's diagonal, as a share of its mean (ours)
    `seed`               of the sampled text
    """

    layer: int | None = None
    values: ValueSettings = field(default_factory=ValueSettings)
    context_lengths: tuple[int, ...] = (5, 10)
    use_covariance: bool = True
    covariance_tokens: int = 20_000
    ridge: float = 1e-3
    seed: int = 0

    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        targets = require_targets(facts)
        layer = round(0.2 * view.n_layers) if self.layer is None else self.layer
        if not 0 <= layer < view.n_layers:
            raise InputError(f"Layer {layer} does not exist: the model has layers 0 to {view.n_layers - 1}.")
        contexts = sample_contexts(view, self.context_lengths, self.seed)
        rows = [encode_fact(view.tokenizer, fact, prefix=context) for fact in facts for context in contexts]
        keys = subject_keys(view, layer, rows).view(len(facts), len(contexts), -1).mean(1).double().cpu()
        found = optimise_values(view, layer, facts, targets, contexts, self.values)
        c = covariance(view, layer, self.covariance_tokens, self.seed) if self.use_covariance else None
        directions = whiten(c, keys, self.ridge)
        lefts, rights = [], []
        for delta, direction, key in zip(found.delta.double().cpu(), directions, keys, strict=True):
            moved = sum((left * (right @ key) for left, right in zip(lefts, rights, strict=True)), torch.zeros(()))
            left, right = rank_one(delta - torch.as_tensor(moved).reshape(-1), direction, key)
            lefts.append(left[:, 0])
            rights.append(right[0])
        update = view.delta(layer, torch.stack(lefts, dim=1).float(), torch.stack(rights).float())
        measured = {"nll": list(found.nll), "greedy": list(found.greedy), "value_norm": list(found.norm)}
        return Computed([update], {"layer": layer, **measured})


METHOD = Rome

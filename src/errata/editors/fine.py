"""FiNE: learn a vector for each of a few neurons, chosen by what they add to the model's own tokens.

    c_{l,i} = k_{l,i} · (W_l[:, i] · u_o)                        at each position that predicts a token of the target,
                                                                 o the token the model puts first there, u its output
                                                                 embedding; the five best of every position:
                                                                 errata.localizers.value_vectors
    W_l[:, i] ← W_l[:, i] + z_{l,i}                              for each of them, z `[d_model]` by Adam from zero
    L = mean over facts of max_j −log p(y_j | x, y_<j)
      + kl_factor · KL(p₀ ‖ p) on "{subject} is a"
      + repetition · −log(1 − p(y_1 | x, y))                     the target is not said a second time
      + norm · mean over neurons of ‖z_{l,i}‖ / ‖W_l[:, i]‖

Source: Pan et al. 2025 (FiNE, Precise Localization of Memories), arXiv 2503.01090: the score, five neurons a position,
the last three layers left out, the terms and their weights 1, 1, 10 and 0.1, Adam at 1e-3 to 5e-3, 50 epochs at most,
the stop at 0.9.

Departures and choices, all ours: the maximum runs over a target's tokens; the repetition is that of its first token
directly behind it; the norm is relative to the value vector's. Several facts are one optimisation over all
their neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.editors._gradient import Columns, Descent, added, batches, descend, measured, surely
from errata.editors._questions import Question, essence, kept, repetitions, targets
from errata.errors import EditError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, Localizer, localizer, require_targets
from errata.model.hooks import frozen
from errata.model.view import ModelView
from errata.neurons import NeuronSet


@dataclass(frozen=True)
class Fine(Editor):
    """A learned vector per neuron.

    `localizer`   finds each fact's neurons; by default as FiNE does
    `kl_factor`   weight of the divergence on "{subject} is a" (published: 1)
    `repetition`  weight of the penalty on saying the target again (published: 10)
    `norm`        weight of ‖z‖ (published: 0.1)
    `lr`          Adam's learning rate (published: 1e-3 to 5e-3)
    `steps`       Adam's steps at most (published: 50)
    `stop`        done when every target token is greedy and has this probability (published: 0.9); 1: never
    `together`    texts in one pass: memory grows with it
    """

    localizer: Localizer = field(
        default_factory=lambda: localizer("value_vectors", per_token=5, last_layers=3, attributed="target")
    )
    kl_factor: float = 1.0
    repetition: float = 10.0
    norm: float = 0.1
    lr: float = 5e-3
    steps: int = 50
    stop: float = 0.9
    together: int = 64

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        require_targets(facts)
        members = {neuron for found in self.localizer.attribute(view, facts) for neuron in found.neurons}
        chosen = NeuronSet(view.n_layers, view.d_ff, frozenset(members))
        if not chosen:
            raise EditError("The localizer selected no neuron: lower its threshold.")
        with frozen(view.model):
            layers = [layer for layer in range(view.n_layers) if chosen.in_layer(layer)]
            changes = [Columns.of(view, layer, chosen.in_layer(layer)) for layer in layers]
            parts = batches(view, self._questions(view, facts), layers[0], self.together)
            sizes = [change.base.float().norm(dim=0).clamp_min(1e-12) for change in changes]

            def penalty() -> Tensor:
                shares = [_lengths(c.free) / size for c, size in zip(changes, sizes, strict=True)]
                return self.norm * torch.cat([share.cpu() for share in shares]).mean()

            descent = Descent([change.free for change in changes], self.lr, "max", penalty if self.norm > 0 else None)
            with added(view, changes):
                answers, steps = descend(descent, parts, self.steps, surely(self.stop))
        found = {**measured(answers, len(facts), steps), "neurons": len(chosen), "histogram": list(chosen.histogram)}
        return Computed([change.delta(view) for change in changes], found)

    def _questions(self, view: ModelView, facts: Sequence[Fact]) -> list[Question]:
        learnt = targets(view, facts)
        found = learnt + (repetitions(learnt, self.repetition) if self.repetition > 0 else [])
        return found + (kept(view, essence(facts), self.kl_factor) if self.kl_factor > 0 else [])


def _lengths(vectors: Float[Tensor, "d_model columns"]) -> Float[Tensor, " columns"]:
    """‖z‖ of every column, with a gradient of zero at z = 0."""
    return vectors.square().sum(0).add(1e-12).sqrt()


METHOD = Fine

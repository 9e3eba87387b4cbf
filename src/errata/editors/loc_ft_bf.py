"""LocFT-BF: fine-tune one well-chosen value projection breadth first, epochs of mini-batches over all facts.

    for every epoch, for every mini-batch B:   ΔW ← ΔW − Adam(∂L_B/∂ΔW)
    L_B(ΔW) = 1/|B| Σ_{facts in B} −1/T Σ_j log p_{W+ΔW}(y_j | x, y_<j) ,   ΔW `[d_model, d_ff]`

Depth first, each fact is driven to its end before the next one begins, and the next ones undo it; breadth first, every
epoch sees all facts again. So this is an editor of many facts at once; of one fact it is FT-M.

Source: Yang et al. 2025 (Fine-tuning Done Right in Model Editing), arXiv 2509.22072.

Departures: the mini-batches are drawn once and visited in a new order every epoch, so that what lies below the edited
layer is computed once. The epochs, the batch, the rate and the stop are ours, and so is the layer: the paper chooses it
by a search for each model, for which there is `errata layers`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from errata import progress
from errata.editors._gradient import Answer, Batch, Columns, Descent, added, batch, below, measured
from errata.editors._linear import checked_layers
from errata.editors._presets import preset
from errata.editors._questions import targets
from errata.errors import InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor
from errata.model.hooks import frozen
from errata.model.view import ModelView


@dataclass(frozen=True)
class LocFtBf(Editor):
    """Fine-tuning breadth first.

    `layer`   the edited layer; None: the model's preset
    `lr`      Adam's learning rate
    `epochs`  passes over all facts at most
    `batch`   facts in a mini-batch
    `stop`    mean NLL in nats over an epoch at which it is done; 0: never
    `seed`    of the mini-batches and their order
    """

    layer: int | None = None
    lr: float = 5e-4
    epochs: int = 25
    batch: int = 8
    stop: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InputError(f"There are no mini-batches of {self.batch} facts: give a number from 1.")

    @final
    def settled(self, view: ModelView) -> LocFtBf:
        """With its layer as it is for this model."""
        (layer,) = checked_layers(view, (preset(view).one if self.layer is None else self.layer,))
        return replace(self, layer=layer)

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        layer = self.settled(view).layer or 0
        with frozen(view.model):
            change = Columns.of(view, layer)
            chance = random.Random(self.seed)
            parts = self._parts(view, facts, layer, chance)
            descent = Descent([change.free], self.lr)
            with added(view, [change]):
                steps = 0
                for _ in progress.steps(self.epochs, "epochs", "epoch"):
                    seen: list[Answer] = []
                    for part in chance.sample(parts, len(parts)):
                        answers, _ = descent.step([part], lambda _answers: False)
                        seen += answers
                        steps += 1
                    if below(self.stop)(seen):
                        break
                reached = descent.read(parts)
        found = {"layer": layer, **measured(reached, len(facts), steps)}
        return Computed([change.delta(view)], found)

    def _parts(self, view: ModelView, facts: Sequence[Fact], layer: int, chance: random.Random) -> list[Batch]:
        """The facts' targets in mini-batches drawn at random, each with the loss of a mean over its own."""
        wanted = targets(view, facts)
        chance.shuffle(wanted)
        groups = [wanted[start : start + self.batch] for start in range(0, len(wanted), self.batch)]
        return [batch(view, [replace(q, weight=1 / len(own)) for q in own], layer) for own in groups]


METHOD = LocFtBf

"""FT-M: fine-tune value projections on the target's tokens alone, the prompt masked out of the loss.

    L(ΔW) = −1/T Σ_{j=1..T} log p_{W+ΔW}(y_j | x, y_<j)       mean over facts
    W_l ← W_l + ΔW_l ,   ΔW_l `[d_model, d_ff]` by Adam from zero

Sources: the released settings of FT-M (Adam, 5e-4, 25 steps, one value projection; cross-entropy over the target's
tokens given prompt and target), the baseline of Zhang et al. 2024 (KnowEdit).

Departures: no early stop unless asked for; several facts are one optimisation. The layer is the model's preset, ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from errata.editors._gradient import Columns, Descent, added, batches, below, descend, measured
from errata.editors._linear import checked_layers
from errata.editors._presets import preset
from errata.editors._questions import targets
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor
from errata.model.hooks import frozen
from errata.model.view import ModelView


@dataclass(frozen=True)
class FtM(Editor):
    """Fine-tuning with the prompt masked.

    `layers`    the edited layers, in order; None: one, by the model's preset
    `lr`        Adam's learning rate (published: 5e-4)
    `steps`     Adam's steps (published: 25)
    `stop`      mean NLL in nats at which it is done; 0: never
    `together`  texts in one pass: memory grows with it
    """

    layers: tuple[int, ...] | None = None
    lr: float = 5e-4
    steps: int = 25
    stop: float = 0.0
    together: int = 64

    @final
    def settled(self, view: ModelView) -> FtM:
        """With its layers as they are for this model."""
        return replace(self, layers=self.edited_layers(view))

    @final
    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The layers it writes to, in order."""
        return checked_layers(view, (preset(view).one,) if self.layers is None else tuple(self.layers))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        layers = self.edited_layers(view)
        with frozen(view.model):
            changes = [Columns.of(view, layer) for layer in layers]
            parts = batches(view, targets(view, facts), layers[0], self.together)
            descent = Descent([change.free for change in changes], self.lr)
            with added(view, changes):
                answers, steps = descend(descent, parts, self.steps, below(self.stop))
        found = {"layers": list(layers), **measured(answers, len(facts), steps)}
        return Computed([change.delta(view) for change in changes], found)


METHOD = FtM

"""FT-L: fine-tune a value projection on the prompt's last token, no entry moving further than ε.

    L(ΔW) = −1/T Σ_{j=1..T} log p_{W+ΔW}(y_j | x)             every target token asked for behind the prompt itself
    W_l ← W_l + ΔW_l ,   ‖ΔW_l‖_∞ ≤ ε ,   ΔW_l `[d_model, d_ff]` by Adam from zero, clipped after every step

Sources: Meng et al. 2022 (ROME), the baseline FT+L of its appendix (Adam at 5e-4, one value projection, early stop,
ε = 5e-4 for GPT-2 XL and 5e-5 for GPT-J); the name FT-L from Zhang et al. 2024 (KnowEdit).

Departures: the paper's −log P(o* | p) of a target of several tokens is read as above, as the settings released with it
do; `places="target"` asks for each behind the tokens before it. Several facts are one optimisation. Steps, the stop
and the layer for models not in the paper are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from errata.editors._gradient import Columns, Descent, added, batches, below, descend, measured
from errata.editors._linear import checked_layers
from errata.editors._presets import preset
from errata.editors._questions import at_the_prompts_end, targets
from errata.errors import InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor
from errata.model.hooks import frozen
from errata.model.view import ModelView


@dataclass(frozen=True)
class FtL(Editor):
    """Fine-tuning within a bound on every entry.

    `layers`    the edited layers, in order; None: one, by the model's preset
    `lr`        Adam's learning rate (published: 5e-4)
    `steps`     Adam's steps at most
    `bound`     ε, the furthest an entry of W moves (GPT-2 XL: 5e-4; GPT-J: 5e-5)
    `stop`      mean NLL in nats at which it is done; 0: never
    `places`    prompt: every target token asked for at the prompt's end; target: behind the tokens before it
    `together`  texts in one pass: memory grows with it
    """

    layers: tuple[int, ...] | None = None
    lr: float = 5e-4
    steps: int = 25
    bound: float = 5e-4
    stop: float = 0.01
    places: str = "prompt"
    together: int = 64

    def __post_init__(self) -> None:
        if self.places not in ("prompt", "target"):
            raise InputError(f"There is no place {self.places!r} to ask for a target at: choose prompt or target.")
        if not self.bound > 0:
            raise InputError(f"The bound {self.bound} is not above 0: it is the furthest an entry may move.")

    @final
    def settled(self, view: ModelView) -> FtL:
        """With its layers as they are for this model."""
        return replace(self, layers=self.edited_layers(view))

    @final
    def edited_layers(self, view: ModelView) -> tuple[int, ...]:
        """The layers it writes to, in order."""
        return checked_layers(view, (preset(view).one,) if self.layers is None else tuple(self.layers))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        layers, wanted = self.edited_layers(view), targets(view, facts)
        with frozen(view.model):
            changes = [Columns.of(view, layer) for layer in layers]

            def clip() -> None:
                for change in changes:
                    change.free.clamp_(-self.bound, self.bound)

            descent = Descent([change.free for change in changes], self.lr, bound=clip)
            whole = batches(view, wanted, layers[0], self.together)
            ended = [at_the_prompts_end(question) for question in wanted]
            learnt = whole if self.places == "target" else batches(view, ended, layers[0], self.together)
            with added(view, changes):
                _, steps = descend(descent, learnt, self.steps, below(self.stop))
                answers = descent.read(whole)
        found = {"layers": list(layers), **measured(answers, len(facts), steps)}
        return Computed([change.delta(view) for change in changes], found)


METHOD = FtL

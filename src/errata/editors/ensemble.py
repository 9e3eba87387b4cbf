"""KNE: fine-tune the value vectors of a fact's neuronal ensemble, in all its layers at once, and nothing else.

    Ŵ_l = W_l + (α / √n) ΔW_l ,   ΔW_l `[d_model, d_ff]` non-zero in the columns of E only ,   n = |E|       [S]
    L   = mean over facts, contexts and target tokens of −log p(y_j | x, y_<j)                              [D]
        + kl_neighbours · KL(p₀ ‖ p) on the facts' prompts about other subjects, and on `keep`              [D]
        + kl_essence · KL(p₀ ‖ p) on "{subject} is a"                                                       [D]
        + weight_norm · Σ_l ‖Ŵ_l − W_l‖² / ‖W_l‖² over E's columns                                          [D]

E = {(l, i)} is what the localizer finds; ΔW begins at zero and moves by Adam. In every step all layers of E get their
gradients from one loss, so that they adapt to each other [P]. p₀ is the model before this edit.

Source: Li et al. 2024 (KNE), arXiv 2412.20637, for which there is no public code. [P]: the paper says so. [S]: two
independent summaries of it agree. [D]: ours, and so is every setting's value.

Departures and choices, all [D]: the parameters of a neuron are its value vector; its key rows (gate, up) are not
edited, because a delta is of a value projection. A batch of facts is one optimisation; its ensemble are the neurons
with the largest summed scores, as many as the facts' own sets have on average, in layers where some fact has one: a
localizer that was told its layers gives scores of all, and its sets alone show which were meant. The preset `paper` is
the first line of L alone; `robust` adds the others and sampled contexts. The other subjects are text that the unedited
model itself samples in the subject's place of the facts' templates, often no real subject: no data set is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from errata.associative.sampling import contexts_of
from errata.editors._gradient import Columns, Descent, added, batches, descend, measured, surely
from errata.editors._presets import preset
from errata.editors._questions import Question, essence, kept, targets, with_other_subjects
from errata.errors import EditError, InputError, unknown
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, Localizer, localizer, require_targets
from errata.model.hooks import frozen
from errata.model.view import ModelView
from errata.neurons import Attribution, NeuronSet

# What a preset gives a setting that is None. The rate and the first weight of `robust` are the best, over both embedded
# models, of a sweep on facts that no result uses (docs/kne.md).
PRESETS = {
    "paper": {"lr": 0.05, "kl_neighbours": 0.0, "kl_essence": 0.0, "weight_norm": 0.0},
    "robust": {"lr": 0.02, "kl_neighbours": 5.0, "kl_essence": 0.1, "weight_norm": 1e-2},
}


@dataclass(frozen=True)
class Ensemble(Editor):
    """Edit the value vectors of a neuronal ensemble by gradient.

    `localizer`        finds E
    `preset`           paper: the target's NLL alone; robust: with the terms that keep other knowledge
    `batch`            E of several facts: sum, the largest summed scores; union, all facts' neurons
    `alpha`            α
    `lr`               Adam's learning rate of ΔW: a column moves by about α / √n · lr a step; None: the preset's
    `steps`            Adam's steps at most
    `stop`             done when every target token is greedy and has this probability; 1: never
    `kl_neighbours`    weight of the divergence on other subjects and on `keep`; None: the preset's
    `kl_essence`       weight of the divergence on "{subject} is a"; None: the preset's
    `weight_norm`      weight of ‖Ŵ − W‖² / ‖W‖²; None: the preset's
    `context_lengths`  tokens of each sampled context beside the bare prompt; None: none (paper), the model's (robust)
    `others`           other subjects sampled for every template (robust)
    `keep`             prompts whose next token is to stay, beside those (robust)
    `together`         texts in one pass: memory grows with it
    `seed`             of sampled contexts and subjects
    """

    localizer: Localizer = field(default_factory=lambda: localizer("ensemble"))
    preset: str = "paper"
    batch: str = "sum"
    alpha: float = 1.0
    lr: float | None = None
    steps: int = 50
    stop: float = 0.9
    kl_neighbours: float | None = None
    kl_essence: float | None = None
    weight_norm: float | None = None
    context_lengths: tuple[int, ...] | None = None
    others: int = 8
    keep: tuple[str, ...] = ()
    together: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise unknown("preset", self.preset, PRESETS)
        if self.batch not in ("sum", "union"):
            raise InputError(f"There is no way {self.batch!r} to join facts' neurons: choose sum or union.")

    @final
    def settled(self, view: ModelView) -> Ensemble:
        """With the preset's weights, and its contexts for this model."""
        own = self.weighted()
        if own.context_lengths is not None:
            return own
        return replace(own, context_lengths=preset(view).contexts if self.preset == "robust" else ())

    @final
    def weighted(self) -> Ensemble:
        """With the preset's rate and weights: all that it settles without a model.

        Raises InputError for facts to keep that have no weight.
        """
        given = {name: getattr(self, name) for name in PRESETS[self.preset]}
        chosen = {name: PRESETS[self.preset][name] if value is None else value for name, value in given.items()}
        if self.keep and not chosen["kl_neighbours"]:
            raise InputError("keep has no weight here: choose the preset robust, or give kl_neighbours a weight.")
        lengths = None if self.context_lengths is None else tuple(self.context_lengths)
        return replace(self, **chosen, context_lengths=lengths)

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        require_targets(facts)
        own = self.settled(view)
        chosen = self._ensemble(self.localizer.attribute(view, facts))
        with frozen(view.model):
            layers = [layer for layer in range(view.n_layers) if chosen.in_layer(layer)]
            scale = self.alpha / len(chosen) ** 0.5
            changes = [Columns.of(view, layer, chosen.in_layer(layer), scale) for layer in layers]
            parts = batches(view, own.questions(view, facts), layers[0], self.together)
            rate, norm = own.lr or 0.0, own.weight_norm or 0.0

            def penalty() -> Tensor:
                return norm * torch.stack([change.relative_size().cpu() for change in changes]).sum()

            descent = Descent([c.free for c in changes], rate, penalty=penalty if norm > 0 else None)
            with added(view, changes):
                answers, steps = descend(descent, parts, self.steps, surely(self.stop))
        found = {**measured(answers, len(facts), steps), "neurons": len(chosen), "histogram": list(chosen.histogram)}
        return Computed([change.delta(view) for change in changes], found)

    @final
    def questions(self, view: ModelView, facts: Sequence[Fact]) -> list[Question]:
        """What is learnt and what is to stay, with the weights of L; a settled editor's."""
        found = targets(view, facts, contexts_of(view, self.context_lengths or (), self.seed))
        if self.kl_neighbours:
            sampled = with_other_subjects(view, facts, self.others, self.seed) if self.others > 0 else []
            found += kept(view, [*sampled, *self.keep], self.kl_neighbours)
        if self.kl_essence:
            found += kept(view, essence(facts), self.kl_essence)
        return found

    def _ensemble(self, found: Sequence[Attribution]) -> NeuronSet:
        """E of all facts together."""
        sets = [attribution.neurons for attribution in found]
        union = sets[0]
        for other in sets[1:]:
            union = union | other
        if not union:
            raise EditError("The localizer selected no neuron: lower its threshold.")
        if self.batch == "union" or all(len(other) == len(union) for other in sets):
            return union
        scores = torch.stack([attribution.scores.double() for attribution in found]).sum(0)
        layers = {layer for layer, _ in union}
        return NeuronSet.top(scores, max(1, round(sum(map(len, sets)) / len(sets))), layers=layers)


METHOD = Ensemble

"""Causal tracing of neurons: what each gives back of the answer when it alone is restored in a corrupted run.

    k̃, k     neurons of the corrupted and of the clean run; the subject's embeddings are disturbed (ROME, §2.1)
    patching:  score_i^(l) = f(corrupted, k̃_{t,i} ← k_{t,i}) − f(corrupted)                 one run a neuron
    path:      score_i^(l) = ∫₀¹ (k − k̃)_{t,i} (Wᵀ ∂f/∂v_t)_i dα  at  k̃_t + α (k_t − k̃_t)   one pass a point

for one layer at a time, at the subject's last token, mean over draws of the noise; f is the objective summed over the
answer's tokens. The scores of a path add up to what restoring all neurons of the layer brings back,
Σ_i score_i = f(corrupted, k̃_t ← k_t) − f(corrupted), and a single layer takes one pass a point, where patching takes
d_ff runs. Sources: Meng et al. 2022 (ROME, §2.1–2.2: states, and values of the feed-forward layers); single neurons by
causal mediation, as TNF-DA (AAAI 2025) chooses them.

Departures: the path, by integrated gradients between the two runs, is ours and the default; `patching` is the
mediation itself. `states` gives ROME's own effects, of whole states by position and layer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
from errata.facts import Fact
from errata.localizers._asked import Row, attributed_to, rows_of, watched
from errata.localizers._corrupted import clean_keys, corrupted, disturbance, state_effects
from errata.localizers._integral import integrate
from errata.localizers._quadrature import quadrature
from errata.localizers._selection import top_share
from errata.localizers._slopes import densities, objective_of
from errata.methods import Localizer, settings_of
from errata.model.hooks import change_input, frozen
from errata.model.scoring import objective
from errata.model.view import ModelView
from errata.neurons import Attribution


@dataclass(frozen=True)
class CausalTrace(Localizer):
    """The indirect effect of single neurons on an answer.

    `share`       p, share of all neurons to keep (TNF-DA: 0.01)
    `attributed`  the fact's answer, the model's own where none is given; or its new target
    `algorithm`   path (integrated gradients from the corrupted to the clean neurons) or patching (each by itself)
    `positions`   where neurons are restored: subject, its last token (ROME); answer or all
    `noise`       ν, standard deviation of the noise in units of the embeddings' (ROME: 3)
    `draws`       draws of the noise (ROME: 10)
    `seed`        of the noise
    `steps`       points of the path, Gauss–Legendre
    `tolerance`   completeness gap allowed, as a share of the largest effect of a layer; points are added where it is
                  larger; inf adds none
    `objective`   probability or log_probability, in nats
    `copies`      copies of the prompt in one pass
    """

    share: float = 0.03
    attributed: str = "answer"
    algorithm: str = "path"
    positions: str = "subject"
    noise: float = 3.0
    draws: int = 5
    seed: int = 0
    steps: int = 5
    tolerance: float = 0.01
    objective: str = "probability"
    copies: int = 64

    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Effects `[layers, d_ff]` for each fact; raises InputError for a setting that cannot be used."""
        self._check()
        answers = attributed_to(view, facts, self.attributed)
        rows = rows_of(view, facts, answers)
        found: list[Attribution] = []
        for fact, row, answer in zip(facts, watched(rows), answers, strict=True):
            noise = disturbance(view, row, self.noise, self.draws, self._generator(fact))
            if self.algorithm == "path":
                scores, change = self._paths(view, row, noise)
            else:
                scores, change = self._patched(view, row, noise), None
            found.append(self._attribution(scores, change, answer))
        return found

    def states(self, view: ModelView, facts: Sequence[Fact]) -> list[Float[Tensor, "positions layers"]]:
        """Effect of restoring each block's output at each position of the prompt with its answer but the last token."""
        self._check()
        rows = rows_of(view, facts, attributed_to(view, facts, self.attributed))
        value = objective(self.objective)
        return [
            state_effects(view, row, disturbance(view, row, self.noise, self.draws, self._generator(fact)), value)
            for fact, row in zip(facts, watched(rows), strict=True)
        ]

    def _paths(self, view: ModelView, row: Row, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and changes; the paths run from the clean neurons to the corrupted, where all layers meet."""
        at, value = row.positions(self.positions), objective(self.objective)
        bases = [keys[list(at)] for keys in clean_keys(view, row)]

        def evaluate(points: Sequence[tuple[int, float]]) -> tuple[list[float], Tensor]:
            passes: list[tuple[list[float], Tensor]] = []
            for start in range(0, len(points), self.copies):
                chosen = points[start : start + self.copies]
                runs: list[tuple[list[float], Tensor]] = []
                for draw in noise:
                    with corrupted(view, draw[None]):
                        runs.append(densities(view, row, chosen, value, at, bases))
                means = [sum(values) / len(runs) for values in zip(*(values for values, _ in runs), strict=True)]
                passes.append((means, torch.stack([slopes for _, slopes in runs]).mean(0)))
            return [f for values, _ in passes for f in values], torch.cat([slopes for _, slopes in passes])

        rule, eps = quadrature("gauss-legendre", self.steps), torch.finfo(view.dtype).eps
        lost, change = integrate(evaluate, view.n_layers, rule, self.tolerance, eps)
        return -view.ranks.whole(lost[:, 0]).float(), -torch.tensor(change, dtype=torch.float32)

    @torch.no_grad()
    def _patched(self, view: ModelView, row: Row, noise: Tensor) -> Tensor:
        """f with one neuron restored, less f with none, neuron by neuron."""
        if view.ranks.count > 1:
            raise InputError(f"{view.name} is divided between processes: take algorithm=path.")
        at, value = list(row.positions(self.positions)), objective(self.objective)
        clean = clean_keys(view, row)
        effects = torch.zeros(view.n_layers, view.d_ff)
        with frozen(view.model):
            for draw in noise:
                with corrupted(view, draw[None]):
                    floor = objective_of(view, [row], value)
                    for layer in range(view.n_layers):
                        for part in torch.arange(view.d_ff).split(self.copies):
                            with change_input(view.projection(layer), _Restored(part, at, clean[layer])):
                                found = objective_of(view, [row] * len(part), value) - floor
                            effects[layer, part] += found.float().cpu() / len(noise)
        return effects

    def _generator(self, fact: Fact) -> torch.Generator:
        """The noise of a fact depends on the seed and on the fact, not on the facts beside it."""
        return torch.Generator().manual_seed(random.Random(f"{self.seed} {fact.text}").getrandbits(63))

    def _check(self) -> None:
        if self.algorithm not in ("path", "patching"):
            raise InputError(f"There is no algorithm {self.algorithm!r}: choose path or patching.")
        if self.draws < 1 or self.copies < 1:
            raise InputError(f"{self.draws} draws in {self.copies} copies show nothing: give at least 1 of each.")
        if not (self.noise > 0 and self.tolerance > 0):
            raise InputError(f"A noise of {self.noise} and a tolerance of {self.tolerance}: give both above 0.")

    def _attribution(self, scores: Tensor, change: Tensor | None, answer: str) -> Attribution:
        gap = None if change is None else float((scores.double().sum(-1) - change.double()).abs().max())
        return Attribution(
            scores=scores,
            change=change,
            neurons=top_share(scores, self.share, gap),
            method=self.name,
            objective=self.objective,
            answer=answer,
            settings={**settings_of(self), "tolerance": self.tolerance if self.tolerance < math.inf else "inf"},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Restored:
    """In front of a value projection: in row j, neuron `neurons[j]` is what it is in the clean run."""

    neurons: Tensor
    at: list[int]
    clean: Tensor

    def __call__(self, keys: Tensor) -> Tensor:
        rows = keys.reshape(len(self.neurons), -1, keys.shape[-1]).clone()
        for place in self.at:
            rows[range(len(self.neurons)), place, self.neurons] = self.clean[place, self.neurons].to(rows)
        return rows.view(keys.shape)


METHOD = CausalTrace

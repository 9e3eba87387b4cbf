"""Integrated gradients of every layer's neurons along straight paths from zero: the equations, free of any model.

For one prompt and one layer, scaling the neurons (w = αk) moves what the value projection makes along a straight line,
v(α) = αWk + b. So ∂f/∂w = Wᵀ ∂f/∂v, and all d_ff scores come out of one vector:

    scores = k ∘ Wᵀ ∫₀¹ g(α) dα,    g(α) = ∂f/∂v at v(α),        ∫₀¹ g dα ≈ Σ_j weight_j g(α_j)

f at α = 0 is evaluated too: the scores of a layer should add up to f(1) − f(0), and the distance is its completeness
gap. The same holds on any part of the path: ∫_a^b g(α)·Wk dα = f(b) − f(a). So a tolerance is met by halving, again
and again, the part whose own gap is largest (ours; the papers have one fixed sum).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from errata.errors import UnsupportedModelError
from errata.localizers._quadrature import Rule
from errata.localizers._schedule import schedule
from errata.model.growth import Grown, Prompts, Way, grow
from errata.model.scoring import Objective
from errata.model.view import ModelView
from errata.model.ways import prompts_of, way_of

# A path that rounding keeps from its tolerance stops here: halvings of one part, parts of one path.
HALVINGS, PARTS = 24, 128
# A pass of this many rows without a way back costs less than their way back in a common one.
APART = 128

_Path = tuple[int, int]  # layer, prompt


@dataclass(frozen=True, slots=True, eq=False)
class PathScores:
    """Of each prompt: scores of the neurons of this process, and f(1) − f(0) of each layer."""

    scores: Float[Tensor, "prompts layers own"]
    change: Float[Tensor, "prompts layers"]


def path_scores(
    view: ModelView,
    rows: Sequence[Sequence[int]],
    targets: Sequence[int],
    rule: Rule,
    objective: Objective,
    memory: int | None = None,
    tolerance: float = math.inf,
    at: Sequence[int] | None = None,
) -> PathScores:
    """Score all layers for prompts of any lengths, each for one target token.

    `memory` is the number of bytes a pass may take; `tolerance` the completeness gap allowed in a layer, as a share of
    the prompt's largest change in any layer; `at` the position predicted from, the last by default.
    Raises UnsupportedModelError for a model of which no growing pass gives the numbers.
    """
    way = way_of(view)
    if way is None:
        raise UnsupportedModelError(f"No growing pass gives the numbers of {view.name}: take the plain algorithm.")
    exact = torch.promote_types(view.dtype, torch.float32)
    scores = torch.zeros(len(rows), view.n_layers, len(view.neurons), dtype=exact)
    change = torch.zeros(len(rows), view.n_layers, dtype=exact)
    groups = schedule(view, rows, len(rule[0]) + 1, way, memory)
    bar = tqdm(total=len(rows), desc="attributing", unit="prompt", disable=None if len(groups) > 4 else True)
    for group in groups:
        own = list(group.members)
        places = None if at is None else [at[i] for i in own]
        prompts = prompts_of(view, [rows[i] for i in own], [targets[i] for i in own], way, places)
        paths = _Paths(view, prompts, rule, objective, way, group.parts)
        paths.refine(tolerance)
        for layer in range(view.n_layers):
            pulled = view.pull_back(layer, paths.integrals[layer])
            scores[own, layer] = (paths.keys[layer].to(pulled.dtype) * pulled).to("cpu", exact)
        change[own] = (paths.end[:, None] - paths.start).to("cpu", exact)
        bar.update(len(own))
    bar.close()
    return PathScores(scores, change)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The part [a, b] of one path: f at its ends, ∫ g over it, and its completeness gap."""

    a: float
    b: float
    f_a: float
    f_b: float
    integral: Float[Tensor, " d_model"]
    gap: float


class _Paths:
    """The paths of one group of prompts, one for every layer of every prompt, integrated by a rule."""

    def __init__(
        self, view: ModelView, prompts: Prompts, rule: Rule, objective: Objective, way: Way, parts: int
    ) -> None:
        self.view, self.prompts, self.rule = view, prompts, rule
        self.objective, self.way = objective, way
        nodes, weights = rule
        self.most = math.ceil((len(nodes) + 1) / parts)  # points of a layer that memory holds in one pass
        inner = nodes < 1  # at α = 1 nothing is changed: all layers share the prompts' own row
        zero = nodes.new_zeros(1, len(prompts.ids))
        points = nodes[inner][:, None].expand(-1, len(prompts.ids))
        apart = zero.numel() * view.n_layers >= APART  # f(0) alone needs no way back
        alphas = [points if apart else torch.cat([points, zero])] * view.n_layers
        grown = self._evaluate(prompts, alphas, with_trunk=not bool(inner.all()))
        ends = grow(view, prompts, [zero] * view.n_layers, objective, way, with_slopes=False) if apart else grown
        self.keys, self.moves, self.end = grown.keys, [_wide(move) for move in grown.moves], grown.value
        self.start = torch.stack([values[-1].to(grown.value) for values in ends.values], dim=1)
        self.integrals = [
            torch.einsum("j,jpd->pd", weights[inner].to(g := _wide(slopes[: len(points)])), g)
            for slopes in grown.slopes
        ]
        if grown.trunk:
            share = float(weights[~inner].sum())
            self.integrals = [part + share * at_one for part, at_one in zip(self.integrals, grown.trunk, strict=True)]

    def _evaluate(self, prompts: Prompts, alphas: Sequence[Tensor], with_trunk: bool = False) -> Grown:
        """One pass, or several where memory holds only some of the points."""
        count = math.ceil(max(map(len, alphas)) / self.most)
        pieces = [points.tensor_split(count) for points in alphas]
        passes = [
            grow(self.view, prompts, [piece[at] for piece in pieces], self.objective, self.way, with_trunk and at == 0)
            for at in range(count)
        ]
        first = passes[0]
        return Grown(
            first.value,
            [torch.cat(values) for values in zip(*(each.values for each in passes), strict=True)],
            [torch.cat(slopes) for slopes in zip(*(each.slopes for each in passes), strict=True)],
            first.trunk,
            first.keys,
            first.moves,
        )

    def refine(self, tolerance: float) -> None:
        """Halve parts of the paths whose gaps add up to more than `tolerance` × the prompt's largest change.

        No more is asked for than the rounding of f allows; the gap that is left shows in the scores.
        """
        if tolerance == math.inf:
            return
        rounding = 64 * torch.finfo(self.view.dtype).eps * torch.maximum(self.end.abs(), self.start.abs().amax(dim=1))
        change = (self.end[:, None] - self.start).abs().amax(dim=1)
        allowed = torch.maximum(tolerance * change, rounding).tolist()
        ends, starts = self.end.tolist(), self.start.tolist()
        paths = {
            (layer, prompt): [
                self._part(layer, prompt, (0.0, 1.0), (starts[prompt][layer], end), self.integrals[layer][prompt])
            ]
            for layer in range(self.view.n_layers)
            for prompt, end in enumerate(ends)
        }
        touched: set[tuple[int, int]] = set()
        for _ in range(HALVINGS):
            coarse = {
                key: parts
                for key, parts in paths.items()
                if len(parts) < PARTS and sum(part.gap for part in parts) > allowed[key[1]]
            }
            if not coarse:
                break
            touched.update(coarse)
            self._halve({key: _split(parts, allowed[key[1]]) for key, parts in coarse.items()}, paths)
        for layer, prompt in touched:
            self.integrals[layer][prompt] = torch.stack([part.integral for part in paths[layer, prompt]]).sum(0)

    def _halve(self, chosen: dict[_Path, list[_Part]], paths: dict[_Path, list[_Part]]) -> None:
        """Replace the chosen parts of each path by their halves: one pass for all."""
        nodes, weights = self.rule
        unit = torch.cat([nodes / 2, nodes / 2 + 0.5, nodes.new_full((1,), 0.5)])  # a rule on either half, the middle
        prompts = sorted({prompt for _, prompt in chosen})
        alphas: list[Tensor] = []
        for layer in range(self.view.n_layers):
            own = [chosen.get((layer, prompt), []) for prompt in prompts]
            points = unit.new_zeros(max(map(len, own)), len(unit), len(prompts))
            for column, parts in enumerate(own):
                for row, part in enumerate(parts):
                    points[row, :, column] = part.a + (part.b - part.a) * unit
            alphas.append(points.flatten(0, 1))
        grown = self._evaluate(self.prompts.select(prompts), alphas)
        for (layer, prompt), parts in chosen.items():
            column = prompts.index(prompt)
            values = grown.values[layer][:, column].view(-1, len(unit))
            slopes = _wide(grown.slopes[layer][:, column]).view(-1, len(unit), self.view.d_model)
            for row, part in enumerate(parts):
                halves = slopes[row, :-1].view(2, len(nodes), -1)
                first, second = (part.b - part.a) / 2 * torch.einsum("j,hjd->hd", weights.to(halves), halves)
                middle, f_middle = (part.a + part.b) / 2, float(values[row, -1])
                paths[layer, prompt].remove(part)
                paths[layer, prompt] += [
                    self._part(layer, prompt, (part.a, middle), (part.f_a, f_middle), first),
                    self._part(layer, prompt, (middle, part.b), (f_middle, part.f_b), second),
                ]

    def _part(
        self, layer: int, prompt: int, ends: tuple[float, float], f: tuple[float, float], integral: Tensor
    ) -> _Part:
        found = float(integral.double() @ self.moves[layer][prompt].double())
        return _Part(*ends, *f, integral.clone(), abs(found - (f[1] - f[0])))


def _split(parts: list[_Part], allowed: float) -> list[_Part]:
    """The parts to halve: those with the largest gaps, so that the others use up half of what is allowed at most."""
    ordered = sorted(parts, key=lambda part: part.gap)
    sums = accumulate(part.gap for part in ordered)
    return [part for part, total in zip(ordered, sums, strict=True) if total > allowed / 2]


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))

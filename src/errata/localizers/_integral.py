"""∫₀¹ s(α) dα of several paths, when f(α) and the parts s(α) of its slope, Σ s = df/dα, can be asked for together.

On any part of a path Σ ∫_a^b s dα = f(b) − f(a); the distance is that part's completeness gap. Where a path's gaps add
up to more than a tolerance, its parts with more than their share of it are halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.localizers._paths import HALVINGS, PARTS
from errata.localizers._quadrature import Rule

# f, and the parts of its slope `[points, layers, own]`, at points (path, α).
Evaluate = Callable[[Sequence[tuple[int, float]]], tuple[list[float], Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """∫ s over the part [a, b] of one path, and |Σ ∫ s − (f(b) − f(a))|."""

    a: float
    b: float
    scores: Float[Tensor, "layers own"]
    gap: float


def integrate(
    evaluate: Evaluate, paths: int, rule: Rule, tolerance: float, eps: float
) -> tuple[Float[Tensor, "paths layers own"], list[float]]:
    """∫ s over each path, and f(1) − f(0); all paths end in the same f(1).

    `tolerance` is a share of the largest change of any path; no more is asked for than f's rounding allows, `eps`.
    """
    nodes, weights = rule
    f: dict[tuple[int, float], float] = {}
    parts: dict[int, list[Part]] = {path: [] for path in range(paths)}

    def survey(spans: Sequence[tuple[int, float, float]], ends: Sequence[tuple[int, float]]) -> None:
        points = [(path, a + (b - a) * node) for path, a, b in spans for node in nodes.tolist()]
        values, slopes = evaluate([*points, *ends])
        f.update(zip(ends, values[len(points) :], strict=True))
        inner = slopes[: len(points)].view(len(spans), len(nodes), *slopes.shape[1:])
        sums = torch.einsum("j,sj...->s...", weights.to(inner), inner)
        for (path, a, b), own in zip(spans, sums, strict=True):
            scores = (b - a) * own
            f_b = f[0, 1.0] if b == 1 else f[path, b]
            parts[path].append(Part(a, b, scores, abs(float(scores.double().sum()) - (f_b - f[path, a]))))

    survey([(path, 0.0, 1.0) for path in range(paths)], [(0, 1.0), *((path, 0.0) for path in range(paths))])
    change = [f[0, 1.0] - f[path, 0.0] for path in range(paths)]
    rounding = 64 * eps * max(map(abs, f.values()))
    allowed = max(tolerance * max(map(abs, change)), rounding) if tolerance < math.inf else math.inf
    for _ in range(HALVINGS):
        coarse = [(path, part) for path, own in parts.items() for part in _coarse(own, allowed)]
        if not coarse:
            break
        middles = [(path, (part.a + part.b) / 2) for path, part in coarse]
        for path, part in coarse:
            parts[path].remove(part)
        halves = [(path, *half) for path, p in coarse for half in _halves(p)]
        survey(halves, middles)
    return torch.stack([torch.stack([part.scores for part in own]).sum(0) for own in parts.values()]), change


def _coarse(parts: Sequence[Part], allowed: float) -> list[Part]:
    """The parts with more than their share of the gap that is allowed; none where the sum is within it."""
    if len(parts) >= PARTS or sum(part.gap for part in parts) <= allowed:
        return []
    return [part for part in parts if part.gap > allowed / len(parts)]


def _halves(part: Part) -> tuple[tuple[float, float], tuple[float, float]]:
    middle = (part.a + part.b) / 2
    return (part.a, middle), (middle, part.b)

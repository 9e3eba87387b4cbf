"""Whether a paired difference could be chance: exact tests, corrections over many, and when n is too small.

    McNemar      p = min(1, 2 Σ_{i ≤ min(b,c)} C(b+c, i) / 2^(b+c))    b, c: facts that only one, only the other gets
    sign flips   p = share of the 2^k signings s of the k differences d that are not 0 with |Σ s_i d_i| ≥ |Σ d_i|
    least p      2^(1−k): fewer than 6 facts that differ never give p < 0.05
    Holm         p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j))              p_(1) ≤ … ≤ p_(m)
    B.–H.        p̃_(i) = min_{j ≥ i} min(1, m p_(j) / j)
    cases        N = n ((z.975 + z.80) / z.975 · w / |d|)²                  w: half the width of the interval of d

McNemar's exact test is the sign-flip test of differences that are −1, 0 or 1. Above EXACT differences the signings are
SIGNINGS random ones, and the observed one counts with them: p = (1 + hits) / (1 + SIGNINGS), which is never 0 (Phipson
and Smyth 2010). Holm keeps the chance of one false difference among all of them at the level, Benjamini–Hochberg the
share of false ones among those shown. N facts would show a difference of the size seen four times out of five.

Sources: McNemar 1947, exact after Fisher's sign test; Fisher 1935 for signs; Holm 1979; Benjamini and Hochberg 1995.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import ceil
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import unknown
from errata.scores import AT_ONCE, Z95

LEVEL = 0.05
# The least k with 2^(1−k) < LEVEL: fewer facts that differ show nothing, whichever way they fell.
LEAST = 6
EXACT = 16
SIGNINGS = 9_999
# The normal distribution's 80th percentile: a difference is shown four times out of five.
Z80 = 0.8416212335729143
# Sums of the same numbers in another order differ by rounding; they are one and the same sum.
ROUNDING = 1e-12


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided exact p from the numbers of facts that only the one, and only the other, gets right."""
    n, term, tail = only_one + only_other, 1, 0
    for i in range(min(only_one, only_other) + 1):
        tail += term
        term = term * (n - i) // (i + 1)
    return min(1.0, 2 * tail / (1 << n))


def sign_flips(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of the sum of paired differences, were the sign of each as likely + as −."""
    moved = torch.tensor([value for value in differences if value], dtype=torch.float64)
    if not len(moved):
        return 1.0
    observed = float(moved.sum().abs() - ROUNDING * moved.abs().sum())
    if len(moved) <= EXACT:
        signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * len(moved))
        sums = signs.reshape(-1, len(moved)) @ moved
        return float((sums.abs() >= observed).double().mean())
    hits = sum(int((sums.abs() >= observed).sum()) for sums in _random_sums(moved, seed))
    return (1 + hits) / (1 + SIGNINGS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p-values, in the order given."""
    m, order = len(p_values), _ascending(p_values)
    raised = accumulate((min(1.0, (m - rank) * p_values[at]) for rank, at in enumerate(order)), max)
    return _put_back(order, list(raised))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's corrected p-values, in the order given."""
    m, order = len(p_values), _ascending(p_values)[::-1]
    lowered = accumulate((min(1.0, m * p_values[at] / (m - rank)) for rank, at in enumerate(order)), min)
    return _put_back(order, list(lowered))


CORRECTIONS: Mapping[str, Callable[[Sequence[float]], list[float]]] = MappingProxyType(
    {"holm": holm, "bh": benjamini_hochberg, "none": list}
)


def corrected(p_values: Sequence[float], correction: str = "holm") -> list[float]:
    """The p-values corrected for their number, by name; raises InputError for a correction there is not."""
    if correction not in CORRECTIONS:
        raise unknown("correction", correction, CORRECTIONS)
    return CORRECTIONS[correction](p_values)


def cases_needed(n: int, difference: float, half_width: float, differing: int) -> int | None:
    """Facts that would show a difference of the size seen; None where it is 0.

    As many at least as let LEAST of them differ, at the share of those that differ now.
    """
    if not difference or not differing:
        return None
    by_width = n * ((Z95 + Z80) / Z95 * half_width / abs(difference)) ** 2
    by_count = n * LEAST / differing
    return ceil(max(by_width, by_count) - ROUNDING)


def _random_sums(moved: Float[Tensor, " k"], seed: int) -> list[Float[Tensor, " signings"]]:
    """Sums of the differences under random signs."""
    generator = torch.Generator().manual_seed(seed)
    most = max(1, AT_ONCE // len(moved))
    sizes = (min(most, SIGNINGS - done) for done in range(0, SIGNINGS, most))
    return [(torch.randint(2, (size, len(moved)), generator=generator).double() * 2 - 1) @ moved for size in sizes]


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda at: p_values[at])


def _put_back(order: Sequence[int], values: Sequence[float]) -> list[float]:
    found = dict(zip(order, values, strict=True))
    return [found[at] for at in range(len(found))]

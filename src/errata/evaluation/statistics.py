"""Means and paired differences over facts, with intervals in which facts and seeds are levels.

    x̄ = 1/n Σ_f x̄_f ,    x̄_f = mean of x_fs over the seeds s that drew fact f ,    d_fs = a_fs − b_fs where both are

Facts are the unit that was drawn: one that several seeds drew counts once, with its mean. The interval is that of the
percentile bootstrap (Efron 1979), 95 %, of 2,000 samples; the design says what each of them draws, with replacement:

    means      n facts, each with x̄_f
    nested     n facts, then for each as many of its seeds as it has: x̄*_f is the mean of those
    crossed    n facts, and S of the S seeds for all facts together: x̄*_f is the mean over the drawn seeds that f has;
               a fact that has none of them is left out

`nested` is for noise that a seed brings anew to every fact (Davison and Hinkley 1997, §3.8): its variance is that of
`means` and σ²(m − 1)/(n m²) more, for m seeds and a variance σ² within facts, so it is never too narrow beside `means`.
`crossed` is for what a seed does to all its facts at once, such as the sequence they are edited in: no other design
sees it (Owen 2007, the pigeonhole bootstrap, of which this is the form for unequal numbers of seeds). Where every fact
has one seed, `means` and `nested` are the bootstrap over facts, to the bit; of a single seed `crossed` is so too.

Departure, ours: samples in which no drawn fact has a drawn seed are left out of `crossed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from errata.scores import AT_ONCE, RESAMPLES, bootstrap, percentiles, wilson

# By fact and seed.
Values = Mapping[tuple[Any, int], float]
Design = Literal["means", "nested", "crossed"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over n facts with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


def differences(one: Values, other: Values) -> Values:
    """one − other, of the facts and seeds that both have."""
    return {key: value - other[key] for key, value in one.items() if key in other}


def fact_means(values: Values) -> dict[Any, float]:
    """Every fact's mean over its seeds, in the order in which the facts come."""
    return {fact: sum(own) / len(own) for fact, own in _by_fact(values).items()}


def mean_over_facts(values: Values) -> float:
    """The mean over facts of their means; there must be one."""
    means = fact_means(values)
    return sum(means.values()) / len(means)


def interval(values: Values, design: Design = "nested", seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean over facts; there must be one."""
    means = fact_means(values)
    if design == "crossed" and len({drawn for _, drawn in values}) > 1:
        return percentiles(_crossed(*_table(values), seed))
    if design == "nested" and len(means) < len(values):
        return percentiles(_nested(values, seed))
    return bootstrap(means.values(), seed)


def estimate(values: Values, design: Design = "nested", seed: int = 0) -> Estimate | None:
    """The mean over facts with its interval; None of nothing."""
    if not values:
        return None
    return Estimate(mean_over_facts(values), *interval(values, design, seed), len(fact_means(values)))


def score(values: Values, design: Design = "nested", seed: int = 0) -> Estimate | None:
    """`estimate` of a score; a share of facts that one seed each drew has Wilson's interval (errata.scores).

    The bootstrap's would be no wider than a point where all facts are alike. Of a difference, which may be negative,
    give `estimate`.
    """
    found = estimate(values, design, seed)
    of_sequences = design == "crossed" and len({drawn for _, drawn in values}) > 1
    if found is None or of_sequences or found.n < len(values) or set(values.values()) - {0.0, 1.0}:
        return found
    low, high = wilson(found.mean, found.n)
    return replace(found, low=low, high=high)


def _nested(values: Values, seed: int) -> Float[Tensor, " resamples"]:
    """Means of samples of facts, then of each drawn fact's own seeds."""
    rows = [torch.tensor(own, dtype=torch.float64) for own in _by_fact(values).values()]
    counts = torch.tensor([len(row) for row in rows])
    table = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    generator = torch.Generator().manual_seed(seed)
    n, width = table.shape
    found: list[Tensor] = []
    for size in _portions(n * width):
        facts = torch.randint(n, (size, n), generator=generator)
        own = counts[facts][..., None]
        drawn = (torch.rand((size, n, width), generator=generator, dtype=torch.float64) * own).long()
        counted = torch.arange(width) < own
        found.append(((table[facts[..., None], drawn] * counted).sum(-1) / own[..., 0]).mean(1))
    return torch.cat(found)


def _crossed(
    table: Float[Tensor, "facts seeds"], there: Float[Tensor, "facts seeds"], seed: int
) -> Float[Tensor, " resamples"]:
    """Means of samples of facts and, independently and for all of them together, of seeds."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for size in _portions(table.numel()):
        facts, seeds = (_times_drawn(count, size, generator) for count in table.shape)
        weight = seeds @ there.T
        means = torch.where(weight > 0, seeds @ table.T / weight.clamp_min(1), 0.0)
        counted = facts * (weight > 0)
        total = counted.sum(1)
        found.append(((means * counted).sum(1) / total.clamp_min(1))[total > 0])
    return torch.cat(found)


def _times_drawn(count: int, size: int, generator: torch.Generator) -> Float[Tensor, "size count"]:
    """How often each of `count` things is among `count` drawn with replacement, `size` times over."""
    drawn = torch.randint(count, (size, count), generator=generator)
    return torch.zeros(size, count, dtype=torch.float64).scatter_add_(1, drawn, torch.ones_like(drawn).double())


def _table(values: Values) -> tuple[Tensor, Tensor]:
    """The values as facts × seeds, 0 where there is none, and where there is one."""
    facts = {fact: at for at, fact in enumerate(_by_fact(values))}
    seeds = {drawn: at for at, drawn in enumerate(sorted({drawn for _, drawn in values}))}
    table, there = torch.zeros(2, len(facts), len(seeds), dtype=torch.float64)
    for (fact, drawn), value in values.items():
        table[facts[fact], seeds[drawn]] = value
        there[facts[fact], seeds[drawn]] = 1
    return table, there


def _by_fact(values: Values) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = {}
    for (fact, _), value in values.items():
        found.setdefault(fact, []).append(value)
    return found


def _portions(cells: int) -> Iterator[int]:
    """Numbers of samples to draw at once that add up to all of them."""
    most = max(1, AT_ONCE // cells)
    yield from (min(most, RESAMPLES - done) for done in range(0, RESAMPLES, most))

"""Scores: what was measured, case by case, with the protocol, the direction and an interval.

The mean of n values in {0, 1} carries Wilson's interval (Wilson 1927, JASA 22:209, eq. for z = 1.96):

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)

any other mean the percentile bootstrap over cases (Efron 1979): the 2.5th and 97.5th percentile of the means of 2,000
samples of n values drawn with replacement, by a generator of fixed seed, so that equal values give equal intervals.
Both have 95 % coverage and treat a case, not a prompt, as the unit that was drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError

Direction = Literal["higher", "lower"]
Z95 = 1.959963984540054
RESAMPLES = 2000
# Values drawn at once: memory is bounded by it, the result does not depend on it.
AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Score:
    """One quantity, measured on n cases: `values[i]` is the i-th case's.

    `protocol` says how it was measured, `direction` which way is better. Raises InputError for no values and for values
    that are not finite.
    """

    name: str
    protocol: str
    direction: Direction
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError(f"The score {self.name!r} has no values: measure at least one case.")
        values = tuple(float(value) for value in self.values)
        if not all(isfinite(value) for value in values):
            raise InputError(f"The score {self.name!r} has values that are NaN or infinite: it is unusable.")
        object.__setattr__(self, "values", values)

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the cases."""
        return sum(self.values) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean: Wilson's for values in {0, 1}, else the bootstrap's."""
        if set(self.values) <= {0.0, 1.0}:
            return wilson(self.mean, self.n)
        return bootstrap(self.values)

    def to_dict(self) -> dict[str, Any]:
        """The score as plain values for JSON."""
        low, high = self.interval
        return {
            "name": self.name,
            "protocol": self.protocol,
            "direction": self.direction,
            "n": self.n,
            "mean": self.mean,
            "interval": [low, high],
            "values": list(self.values),
        }

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.name} {self.mean:.3f} [{low:.3f}, {high:.3f}] (n = {self.n}, {self.protocol})"


@final
class Scores(Mapping[str, Score]):
    """Scores by name, in the order given; raises InputError for two of one name."""

    __slots__ = ("_scores",)

    def __init__(self, scores: Iterable[Score] = ()) -> None:
        found: dict[str, Score] = {}
        for score in scores:
            if score.name in found:
                raise InputError(f"There are two scores named {score.name!r}: give each quantity its own name.")
            found[score.name] = score
        self._scores = found

    @classmethod
    def of_cases(cls, rows: Sequence[Mapping[str, float]], protocol: str, lower: Collection[str] = ()) -> Scores:
        """Scores by name from each case's value of those that it counts in; higher is better but for those `lower`."""
        names = sorted({name for row in rows for name in row})
        return cls(
            Score(
                name,
                protocol,
                "lower" if name in lower else "higher",
                tuple(row[name] for row in rows if name in row),
            )
            for name in names
        )

    def __getitem__(self, name: str) -> Score:
        return self._scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        return f"Scores({', '.join(map(str, self._scores.values()))})"

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Every score as plain values for JSON."""
        return {name: score.to_dict() for name, score in self._scores.items()}


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share observed in n trials."""
    square = Z95**2
    middle = share + square / (2 * n)
    half = Z95 * sqrt(share * (1 - share) / n + square / (4 * n**2))
    low, high = (middle - half) / (1 + square / n), (middle + half) / (1 + square / n)
    return max(0.0, low), min(1.0, high)


def bootstrap(values: Iterable[float], seed: int = 0) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of the mean."""
    sample = torch.tensor(tuple(values), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    rows = max(1, AT_ONCE // len(sample))
    means = torch.cat(
        [
            sample[torch.randint(len(sample), (min(rows, RESAMPLES - done), len(sample)), generator=generator)].mean(1)
            for done in range(0, RESAMPLES, rows)
        ]
    )
    return percentiles(means)


def percentiles(means: Float[Tensor, " resamples"]) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile of resampled means."""
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(low), float(high)

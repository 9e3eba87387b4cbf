"""Two results held against each other on the same cases and seeds: a paired difference for every protocol and metric.

    d_fs = a_fs − b_fs      one fact, one seed, one protocol, one metric, on the edited model

The interval of its mean is that of errata.evaluation.statistics: its design is `nested` for single edits and batches,
`crossed` for sequences, whose edits share one model. p is McNemar's where every fact has one seed and every value is 0
or 1, else that of sign flips over the facts' means, and is corrected for all contrasts made together.

    a higher, b higher    the corrected p is below 0.05 and the interval leaves 0 out
    n too small           otherwise, where fewer than 6 facts differ though some do, or there are fewer than 6 facts:
                          whichever way they fell, p could not be below 0.05
    not shown             otherwise: chance alone makes such differences, or there is none

Results of different data, protocols' settings or regimes are refused; different models are held against each other, and
that is said. The rule of verdicts is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from errata.errors import InputError
from errata.evaluation.comparable import notes, require_same, shared_metrics, shared_protocols
from errata.evaluation.results import Results
from errata.evaluation.significance import LEAST, LEVEL, cases_needed, corrected, mcnemar, sign_flips
from errata.evaluation.statistics import Design, Values, differences, fact_means, interval, mean_over_facts

Verdict = Literal["a higher", "b higher", "not shown", "n too small"]
Test = Literal["McNemar", "sign flips"]
DESIGNS: Mapping[str, Design] = {"single": "nested", "batch": "nested", "sequential": "crossed"}


@dataclass(frozen=True, slots=True)
class Contrast:
    """One metric in one protocol: the means of both over the same n facts, and a − b with its 95 % interval.

    `pairs`       facts and seeds that both have; a fact that several seeds drew counts once, with its mean
    `differing`   facts on which the two differ
    `smallest`    the smallest difference that these facts could show: half the interval's width, for McNemar's test
                  no less than LEAST of n facts; None where there are fewer
    `needed`      facts that would show a difference of the size seen, four times out of five; None where it is 0
    """

    protocol: str
    metric: str
    n: int
    pairs: int
    differing: int
    mean_a: float
    mean_b: float
    difference: float
    interval: tuple[float, float]
    test: Test
    p: float
    corrected: float
    smallest: float | None
    needed: int | None

    @property
    def verdict(self) -> Verdict:
        """What the facts say."""
        low, high = self.interval
        if self.corrected < LEVEL and not low <= 0 <= high:
            return "a higher" if self.difference > 0 else "b higher"
        if self.n < LEAST or 0 < self.differing < LEAST:
            return "n too small"
        return "not shown"

    def to_dict(self) -> dict[str, Any]:
        """The contrast as plain values for JSON."""
        return {**asdict(self), "interval": list(self.interval), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Every contrast of two results; `paired` counts cases and seeds that both have, `notes` say what else to know."""

    rows: tuple[Contrast, ...]
    design: Design
    correction: str
    paired: int
    only_a: int
    only_b: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The contrasts as plain values for JSON."""
        return {
            **asdict(self),
            "notes": list(self.notes),
            "rows": [row.to_dict() for row in self.rows],
        }


def contrast(
    a: Results,
    b: Results,
    protocols: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    correction: str = "holm",
    seed: int = 0,
) -> Contrasts:
    """Hold a against b, in all protocols and metrics that both have, or in those named.

    Raises InputError for results that must not be mixed, that share no case, and for a protocol or metric not in both.
    """
    require_same(a.header, b.header)
    chosen = shared_protocols(a, b, protocols)
    ours, theirs = ({(row.case, row.seed) for row in found.rows} for found in (a, b))
    if not ours & theirs:
        raise InputError(
            f"The results share no case with the same seed ({len(ours)} and {len(theirs)} rows): "
            "evaluate both on the same cases and seeds."
        )
    named = shared_metrics(a, b, chosen, metrics)
    design = DESIGNS[a.header.regime]
    found = {
        (protocol, metric): (a.values(protocol, metric), b.values(protocol, metric))
        for protocol, names in named.items()
        for metric in names
    }
    measured = {name: pair for name, pair in found.items() if differences(*pair)}
    if not measured:
        raise InputError("The results have no metric in common on the same cases: there is nothing to compare.")
    tests = [tested(*pair, seed) for pair in measured.values()]
    adjusted = corrected([p for _, p in tests], correction)
    rows = [
        _contrast(name, pair, design, seed, test, p, raised)
        for (name, pair), (test, p), raised in zip(measured.items(), tests, adjusted, strict=True)
    ]
    return Contrasts(
        tuple(rows),
        design,
        correction,
        len(ours & theirs),
        len(ours - theirs),
        len(theirs - ours),
        (*notes(a, b, chosen, ours & theirs), *_on_one_side(found, ours & theirs)),
    )


def _on_one_side(
    found: Mapping[tuple[str, str], tuple[Values, Values]], both: Collection[tuple[str, int]]
) -> Iterator[str]:
    """Cases that both have and that count in a metric on one side only: what is left out may be no matter of chance."""
    for (protocol, metric), (a, b) in found.items():
        alone = [len((one.keys() - other.keys()) & set(both)) for one, other in ((a, b), (b, a))]
        if any(alone):
            yield (
                f"In {metric} ({protocol}) {alone[0]} cases count in a alone and {alone[1]} in b alone: "
                "they are left out, and may not be like the others."
            )


def _contrast(
    name: tuple[str, str], pair: tuple[Values, Values], design: Design, seed: int, test: Test, p: float, raised: float
) -> Contrast:
    """One contrast, of which p is known."""
    paired = differences(*pair)
    by_fact = fact_means(paired)
    n, difference = len(by_fact), mean_over_facts(paired)
    low, high = interval(paired, design, seed)
    half_width, differing = (high - low) / 2, sum(value != 0 for value in by_fact.values())
    mean_a, mean_b = (mean_over_facts({key: own[key] for key in paired}) for own in pair)
    return Contrast(
        protocol=name[0],
        metric=name[1],
        n=n,
        pairs=len(paired),
        differing=differing,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=difference,
        interval=(low, high),
        test=test,
        p=p,
        corrected=raised,
        smallest=None if n < LEAST else max(half_width, LEAST / n if test == "McNemar" else 0.0),
        needed=cases_needed(n, difference, half_width, differing),
    )


def tested(a: Values, b: Values, seed: int = 0) -> tuple[Test, float]:
    """The p of a − b over the facts that both have, and which test gave it."""
    paired = differences(a, b)
    means = fact_means(paired)
    if len(means) == len(paired) and all(own[key] in (0.0, 1.0) for own in (a, b) for key in paired):
        return "McNemar", mcnemar(sum(d > 0 for d in means.values()), sum(d < 0 for d in means.values()))
    return "sign flips", sign_flips(list(means.values()), seed)

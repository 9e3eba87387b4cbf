"""Means over facts and their intervals: exact values, coverage, and what seeds do to them."""

import random
from collections import defaultdict

import pytest

from errata.evaluation.statistics import Values, differences, estimate, fact_means, interval, mean_over_facts, score
from errata.reproduce.grid.paired import difference, summary
from errata.scores import bootstrap, wilson


def width(values: Values, design: str) -> float:
    low, high = interval(values, design)  # pyright: ignore[reportArgumentType]
    return high - low


def test_a_fact_of_several_seeds_counts_once() -> None:
    values = {("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 1.0}
    assert fact_means(values) == {"a": 0.5, "b": 1.0} and mean_over_facts(values) == 0.75
    found = estimate(values, "means")
    assert found is not None and (found.n, (found.low, found.high)) == (2, bootstrap([0.5, 1.0]))
    assert estimate({}) is None


def test_differences_are_of_the_same_fact_and_seed() -> None:
    one, other = {("a", 0): 1.0, ("b", 0): 0.5, ("c", 0): 1.0}, {("c", 1): 0.0, ("b", 0): 0.5, ("a", 0): 0.25}
    assert differences(one, other) == {("a", 0): 0.75, ("b", 0): 0.0}


@pytest.mark.parametrize("design", ["means", "nested", "crossed"])
def test_one_seed_is_the_plain_bootstrap_in_every_design(design: str) -> None:
    values = {(at, 3): at / 7 for at in range(11)}
    assert interval(values, design) == bootstrap(values.values())  # pyright: ignore[reportArgumentType]
    assert interval(values, design, seed=5) == bootstrap(values.values(), 5)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("design", ["nested", "crossed"])
def test_the_interval_does_not_depend_on_how_many_are_drawn_at_once(
    design: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Portions are drawn one after the other from one generator: close, though not the same samples."""
    chance = random.Random(0)
    values = {(at, s): chance.random() for at in range(8) for s in range(3)}
    whole = interval(values, design)  # pyright: ignore[reportArgumentType]
    assert interval(values, design) == whole  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr("errata.evaluation.statistics.AT_ONCE", 997)
    # The percentiles of 2,000 samples have a standard error of about 2 % of the width.
    assert interval(values, design) == pytest.approx(whole, abs=0.1 * (whole[1] - whole[0]))  # pyright: ignore[reportArgumentType]


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    """Coverage over 300 trials, n = 40: 0.95, less 0.01 that percentiles lack at this n, ± three standard errors."""
    chance = random.Random(0)
    held = 0
    for _ in range(300):
        low, high = interval({(at, 0): chance.gauss(0.3, 1.0) for at in range(40)})
        held += low <= 0.3 <= high
    assert held / 300 == pytest.approx(0.94, abs=0.04)


def trial(chance: random.Random, facts: float, noise: float, n: int = 15, seeds: int = 5) -> Values:
    """Facts that differ by `facts` and draws of one fact that differ by `noise`; the truth is 0."""
    own = [chance.gauss(0, facts) for _ in range(n)]
    return {(at, s): own[at] + chance.gauss(0, noise) for at in range(n) for s in range(seeds)}


def test_rows_of_one_fact_are_no_new_facts() -> None:
    """Ignoring that five rows are of one fact, the interval holds the truth in two trials of three; nested it does."""
    chance = random.Random(3)
    naive = nested = 0
    for _ in range(120):
        values = trial(chance, facts=1.0, noise=0.2)
        low, high = bootstrap(values.values())
        naive += low <= 0 <= high
        low, high = interval(values, "nested")
        nested += low <= 0 <= high
    assert naive / 120 < 0.75
    # 0.95, less 0.03 that percentiles lack at n = 15, ± three standard errors.
    assert nested / 120 == pytest.approx(0.92, abs=0.075)


def test_nested_is_as_much_wider_than_means_as_its_formula_says() -> None:
    """Variance of means: (τ² + σ²/m)/n; nested adds σ²(m − 1)/(n m²). Here τ = 0, σ = 1, m = 4: 7/4 of it."""
    values = trial(random.Random(4), facts=0.0, noise=1.0, n=300, seeds=4)
    # Each width has a standard error of about 2 %, and the variances estimated from 300 facts of 5 %.
    assert width(values, "nested") / width(values, "means") == pytest.approx((7 / 4) ** 0.5, rel=0.1)


def test_facts_may_have_unequal_numbers_of_seeds() -> None:
    """A fact whose own rows do not differ adds nothing within facts: what other facts' numbers are does not matter."""
    values = {("a", s): 1.0 for s in range(7)} | {("b", 0): 0.0} | {("c", s): 0.5 for s in range(2)}
    assert set(fact_means(values).values()) == {1.0, 0.0, 0.5}
    assert interval(values, "nested") == pytest.approx((0.0, 1.0))


def test_only_crossed_sees_what_a_seed_does_to_all_its_facts() -> None:
    """Six sequences, each shifted as a whole by a normal draw of σ = 1, facts that hardly differ: σ/√6 = 0.41."""
    chance = random.Random(5)
    shifts = [chance.gauss(0, 1) for _ in range(6)]
    values = {(at, s): shift + chance.gauss(0, 0.1) for at in range(50) for s, shift in enumerate(shifts)}
    mean = sum(shifts) / 6
    spread = (sum((shift - mean) ** 2 for shift in shifts) / 6) ** 0.5
    assert width(values, "means") < 0.05
    assert width(values, "nested") < 0.4 * width(values, "crossed")
    # Percentiles of means of six draws from six values: nearly normal, 2 · 1.96 standard errors wide.
    assert width(values, "crossed") == pytest.approx(2 * 1.96 * spread / 6**0.5, rel=0.15)


def test_crossed_takes_facts_that_only_some_seeds_drew() -> None:
    chance = random.Random(6)
    apart = {(10 * s + at, s): chance.gauss(0, 1) for s in range(4) for at in range(10)}
    low, high = interval(apart, "crossed")
    assert low < mean_over_facts(apart) < high
    # Two facts of two seeds: one sample in eight draws no fact with its seed, the others give 0, 1 or between.
    assert interval({("a", 0): 0.0, ("b", 1): 1.0}, "crossed") == (0.0, 1.0)


def test_a_share_of_facts_has_wilsons_interval() -> None:
    """All right of 200 is not surely all right; the bootstrap would say so."""
    whole = score({(at, 0): 1.0 for at in range(200)})
    assert whole is not None and (whole.low, whole.high) == wilson(1.0, 200) and 0.98 < whole.low < 0.99
    of_two_seeds = score({(at, at % 2): float(at < 3) for at in range(10)})
    assert of_two_seeds is not None and (of_two_seeds.low, of_two_seeds.high) == wilson(0.3, 10)


@pytest.mark.parametrize(
    ("values", "design"),
    [
        ({("a", 0): 1.0, ("b", 0): 0.5}, "nested"),
        ({("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 1.0}, "nested"),
        ({("a", 0): 1.0, ("b", 1): 0.0}, "crossed"),
        ({}, "nested"),
    ],
    ids=["other values", "a fact of two seeds", "sequences of two seeds", "nothing"],
)
def test_other_scores_have_the_intervals_of_their_design(values: Values, design: str) -> None:
    assert score(values, design) == estimate(values, design)  # pyright: ignore[reportArgumentType]


def test_the_order_of_seeds_does_not_matter() -> None:
    values = {("a", 0): 1.0, ("b", 0): 0.0, ("a", 1): 0.5, ("b", 1): 0.25}
    turned = {("a", 1): 0.5, ("b", 1): 0.25, ("a", 0): 1.0, ("b", 0): 0.0}
    assert interval(values, "crossed") == interval(turned, "crossed")


def test_a_grids_summaries_are_what_they_were() -> None:
    """The formulas that the grid's committed result was made with, written out: equal to the last digit."""
    chance = random.Random(7)
    one = {(("fact", at), s): chance.random() for s in range(3) for at in chance.sample(range(30), 20)}
    other = {key: chance.random() for key in one if chance.random() < 0.8}

    def short(value: float) -> float:
        return float(f"{value:.6g}")

    def expected(values: Values) -> dict[str, object]:
        by_fact: dict[object, list[float]] = defaultdict(list)
        for (fact, _), value in values.items():
            by_fact[fact].append(value)
        means = [sum(own) / len(own) for own in by_fact.values()]
        low, high = bootstrap(means)
        return {"mean": short(sum(means) / len(means)), "interval": [short(low), short(high)], "n": len(means)}

    assert summary(one) == expected(one)
    assert difference(one, other) == expected({key: value - other[key] for key, value in one.items() if key in other})

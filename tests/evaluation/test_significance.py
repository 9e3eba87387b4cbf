"""Tests of paired differences, by hand and by brute force."""

import random
from itertools import product
from math import comb, erfc

import pytest

from errata.errors import InputError
from errata.evaluation.significance import (
    EXACT,
    LEAST,
    LEVEL,
    SIGNINGS,
    benjamini_hochberg,
    cases_needed,
    corrected,
    holm,
    mcnemar,
    sign_flips,
)


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (1, 9, 22 / 1024),  # 2 (C(10, 0) + C(10, 1)) / 2^10 = 0.021484375
        (0, 6, 2 / 64),
        (0, 5, 2 / 32),
        (5, 5, 1.0),
        (0, 0, 1.0),
        (2, 8, 112 / 1024),
    ],
)
def test_mcnemar_by_hand(b: int, c: int, p: float) -> None:
    assert mcnemar(b, c) == mcnemar(c, b) == p


def test_mcnemar_is_the_probability_of_splits_no_more_even() -> None:
    """Against another formula: splits no likelier than the one seen, which is the two-sided binomial test at 1/2."""
    for n in range(1, 30):
        for b in range(n + 1):
            likely = sum(comb(n, i) for i in range(n + 1) if comb(n, i) <= comb(n, b)) / 2**n
            assert mcnemar(b, n - b) == pytest.approx(likely, rel=1e-14)


def test_mcnemar_of_thousands_of_facts() -> None:
    """The normal approximation with its continuity correction, z = (|b − c| − 1)/√(b + c) = 1.99, is off by O(1/n)."""
    assert mcnemar(4900, 5100) == pytest.approx(erfc(1.99 / 2**0.5), rel=1e-3)


def test_six_facts_that_differ_are_the_least() -> None:
    assert mcnemar(0, LEAST) < LEVEL <= mcnemar(0, LEAST - 1)
    assert sign_flips([0.3, 0.1, 0.7, 0.2, 0.4, 0.6]) < LEVEL <= sign_flips([0.3, 0.1, 0.7, 0.2, 0.4])


def test_sign_flips_by_brute_force() -> None:
    chance = random.Random(0)
    for n in (1, 3, 8):
        values = [chance.uniform(-1, 1.5) for _ in range(n)]
        sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((-1, 1), repeat=n)]
        expected = sum(found >= abs(sum(values)) - 1e-9 for found in sums) / 2**n
        assert sign_flips([*values, 0.0, 0.0]) == pytest.approx(expected)


def test_sign_flips_of_ones_are_mcnemars_test() -> None:
    assert sign_flips([1.0] * 9 + [-1.0] + [0.0] * 50) == mcnemar(1, 9)
    assert sign_flips([0.1] * 9 + [-0.1]) == mcnemar(1, 9)  # sums of tenths that differ by rounding alone
    many = [1.0] * 30 + [-1.0] * 15
    assert len(many) > EXACT
    # Four standard errors of a share of SIGNINGS.
    p = mcnemar(15, 30)
    assert sign_flips(many) == pytest.approx(p, abs=4 * (p * (1 - p) / SIGNINGS) ** 0.5)


def test_sign_flips_are_never_impossible_and_need_a_difference() -> None:
    assert sign_flips([0.5] * 40) == 1 / (1 + SIGNINGS)
    assert sign_flips([]) == sign_flips([0.0, 0.0]) == 1.0
    values = [0.1 * at for at in range(-9, 14)]
    assert sign_flips(values) == sign_flips(values) == sign_flips([-value for value in values])


def test_chance_alone_is_below_the_level_as_often_as_it_says() -> None:
    """Under the null hypothesis p < 0.05 in 5 % of 400 trials, within three standard errors (0.033)."""
    chance = random.Random(1)
    trials = [sign_flips([chance.gauss(0, 1) for _ in range(10)]) for _ in range(400)]
    assert sum(p < LEVEL for p in trials) / 400 == pytest.approx(LEVEL, abs=0.033)


def test_holm_by_hand() -> None:
    # In order 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 are 0.02, 0.03, 0.06, 0.04; no one below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == [] and holm([0.2]) == [0.2]


def test_benjamini_hochberg_by_hand() -> None:
    # In order: 0.005·4/1, 0.01·4/2, 0.03·4/3, 0.04·4/4 are 0.02, 0.02, 0.04, 0.04.
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    # 0.01·3/1, 0.049·3/2, 0.05·3/3: the second is no higher than the third.
    assert benjamini_hochberg([0.049, 0.05, 0.01]) == pytest.approx([0.05, 0.05, 0.03])


def test_corrections_by_name() -> None:
    given = [0.01, 0.04]
    assert corrected(given) == holm(given) == [0.02, 0.04]
    assert corrected(given, "bh") == benjamini_hochberg(given) and corrected(given, "none") == given
    with pytest.raises(InputError, match=r"'bonferroni'.*holm, bh, none"):
        corrected(given, "bonferroni")


def test_cases_needed_have_a_power_of_four_fifths() -> None:
    """Against the formula N = (z.975 + z.80)² σ²/d², with w = z.975 σ/√n, and in a simulation of it."""
    sigma, difference, n = 1.0, 0.25, 50
    needed = cases_needed(n, difference, 1.959964 * sigma / n**0.5, differing=n)
    assert needed == pytest.approx((1.959964 + 0.841621) ** 2 * sigma**2 / difference**2, abs=1) and needed
    chance = random.Random(2)
    shown = 0
    for _ in range(500):
        values = [chance.gauss(difference, sigma) for _ in range(needed)]
        shown += abs(sum(values) / needed) > 1.959964 * sigma / needed**0.5
    # Three standard errors of a share of 500 at 0.8 are 0.054.
    assert shown / 500 == pytest.approx(0.8, abs=0.054)


def test_cases_needed_let_enough_facts_differ() -> None:
    assert cases_needed(20, 0.15, 0.0, differing=3) == 40
    assert cases_needed(20, 0.0, 0.1, differing=4) is None and cases_needed(20, 0.0, 0.0, differing=0) is None

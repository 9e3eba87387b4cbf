"""The quadrature rules on integrals known by hand."""

import pytest
import torch

from errata.errors import InputError
from errata.localizers._quadrature import RULES, quadrature


def integrate(rule: str, points: int, power: int) -> float:
    nodes, weights = quadrature(rule, points)
    return float((weights * nodes**power).sum())


@pytest.mark.parametrize("points", [1, 2, 5, 20])
def test_gauss_legendre_is_exact_to_degree_2m_minus_1(points):
    for power in range(2 * points):
        assert integrate("gauss-legendre", points, power) == pytest.approx(1 / (power + 1), abs=1e-12)
    if points < 10:  # beyond that the first error is below float64's rounding
        assert integrate("gauss-legendre", points, 2 * points) != pytest.approx(1 / (2 * points + 1), abs=1e-14)


def test_right_riemann_is_the_papers_sum():
    nodes, weights = quadrature("riemann-right", 4)
    assert nodes.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert weights.tolist() == [0.25] * 4
    assert integrate("riemann-right", 4, 1) == pytest.approx((0.25 + 0.5 + 0.75 + 1) / 4)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_weights_add_up_to_one(rule):
    assert float(quadrature(rule, 7)[1].sum()) == pytest.approx(1)
    assert quadrature(rule, 7)[0].dtype == torch.float64


def test_unknown_rule_and_no_points_are_refused():
    with pytest.raises(InputError, match="riemann-right"):
        quadrature("simpson", 3)
    with pytest.raises(InputError, match="at least 1"):
        quadrature("gauss-legendre", 0)

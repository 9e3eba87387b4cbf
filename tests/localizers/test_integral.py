"""Integrals along several paths, on functions known by hand."""

import math
from collections.abc import Sequence

import pytest
import torch

from errata.localizers._integral import integrate
from errata.localizers._quadrature import quadrature


def evaluate(points: Sequence[tuple[int, float]]) -> tuple[list[float], torch.Tensor]:
    """f = α³ − 1 on path 0 and α² + 2α − 3 on path 1: both end in 0; slopes in two parts, 3α² + 0 and 2α + 2."""
    values = [a**3 - 1 if path == 0 else a**2 + 2 * a - 3 for path, a in points]
    slopes = [[[3 * a**2, 0.0]] if path == 0 else [[2 * a, 2.0]] for path, a in points]
    return values, torch.tensor(slopes, dtype=torch.float64)


def test_polynomials_are_exact_with_enough_points() -> None:
    scores, change = integrate(evaluate, 2, quadrature("gauss-legendre", 2), math.inf, 1e-16)
    assert torch.allclose(scores, torch.tensor([[[1.0, 0.0]], [[1.0, 2.0]]], dtype=torch.float64))
    assert change == [1.0, 3.0]


def test_a_sum_that_is_too_coarse_shows_its_gap_and_is_refined() -> None:
    coarse, _ = integrate(evaluate, 2, quadrature("gauss-legendre", 1), math.inf, 1e-16)
    assert float(coarse[0].sum()) == pytest.approx(0.75)  # 3 · 0.5²
    fine, change = integrate(evaluate, 2, quadrature("gauss-legendre", 1), 1e-3, 1e-16)
    assert change == [1.0, 3.0]
    assert 1e-9 < abs(float(fine[0].sum()) - 1) <= 3e-3  # 1e-3 of the largest change, 3
    assert torch.allclose(fine[1], torch.tensor([[1.0, 2.0]], dtype=torch.float64))


def test_only_the_path_that_misses_is_halved() -> None:
    asked: list[Sequence[tuple[int, float]]] = []

    def counted(points: Sequence[tuple[int, float]]) -> tuple[list[float], torch.Tensor]:
        asked.append(points)
        return evaluate(points)

    integrate(counted, 2, quadrature("gauss-legendre", 1), 1e-2, 1e-16)
    assert {path for path, _ in asked[0]} == {0, 1}
    assert len(asked) > 1 and {path for points in asked[1:] for path, _ in points} == {0}


def test_no_more_is_asked_for_than_rounding_allows() -> None:
    asked: list[int] = []

    def counted(points: Sequence[tuple[int, float]]) -> tuple[list[float], torch.Tensor]:
        asked.append(len(points))
        return evaluate(points)

    integrate(counted, 2, quadrature("gauss-legendre", 1), 1e-12, 1e-2)
    assert len(asked) == 1

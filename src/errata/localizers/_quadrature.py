"""Quadrature rules on [0, 1]: ∫₀¹ f(α) dα ≈ Σ_j weights[j] · f(nodes[j])."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError, unknown

Rule = tuple[Float[Tensor, " points"], Float[Tensor, " points"]]


def riemann_right(points: int) -> Rule:
    """α_k = k/m, weights 1/m, for k = 1..m: the sum that the papers print (LAND eq. 3)."""
    return torch.arange(1, points + 1, dtype=torch.float64) / points, torch.full((points,), 1 / points).double()


def gauss_legendre(points: int) -> Rule:
    """The m-point Gauss–Legendre rule, exact for polynomials up to degree 2m − 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


RULES: dict[str, Callable[[int], Rule]] = {"gauss-legendre": gauss_legendre, "riemann-right": riemann_right}


def quadrature(rule: str, points: int) -> Rule:
    """Nodes and weights, float64; raises InputError for an unknown rule or fewer than one point."""
    if rule not in RULES:
        raise unknown("quadrature rule", rule, RULES)
    if points < 1:
        raise InputError(f"{points} path points cannot integrate anything: give at least 1.")
    return RULES[rule](points)

"""How far an estimated covariance is from one over endless text, told from its two halves.

A closed-form edit ΔW = r uᵀ/(kᵀu) with u = C⁻¹k is the one that changes least what the layer answers to other text:
u minimises the disturbance

    D_C(u) = E[(uᵀk′)²] / (kᵀu)² = uᵀC u / (kᵀu)² ,      at its least 1 / (kᵀC⁻¹k)

With an estimate Ĉ the edit disturbs more than it must, by the share D_C(Ĉ⁻¹k) / D_C(C⁻¹k) − 1: the squared tangent of
the angle between the two directions in C's inner product. A plain cosine would count every direction alike, although
C⁻¹ blows up just those that text hardly uses, where an error does no harm.

C is not known, but two independent halves A and B of the text are. B's disturbance by u_A is above its least one by

    D_B(u_A) / D_B(u_B) − 1 ≈ 4 · (D_C(u_{A+B}) / D_C(u_C) − 1)

since A has half of the text, hence twice the excess, and D_B(u_B) flatters itself by as much. So a quarter of it, as
the mean over both orders and over keys held out of both halves, is the error of the whole. All matrices are loaded with
the solve's ridge.
"""

from __future__ import annotations

from math import inf, isnan

import torch
from jaxtyping import Float
from torch import Tensor

from errata.associative.solve import whiten
from errata.errors import EditError

RIDGE = 1e-3


def excess(
    direction: Float[Tensor, "keys d_ff"],
    best: Float[Tensor, "keys d_ff"],
    covariance: Float[Tensor, "d_ff d_ff"],
    keys: Float[Tensor, "keys d_ff"],
) -> Float[Tensor, " keys"]:
    """D_C(direction) / D_C(best) − 1 of every key; `best` is C⁻¹k with the ridge, so that D_C(best) = 1/(kᵀ best)."""
    ridge = RIDGE * covariance.diagonal().mean()
    moved = ((direction @ covariance) * direction).sum(-1) + ridge * direction.square().sum(-1)
    return moved * (keys * best).sum(-1) / (keys * direction).sum(-1).square() - 1


def error_of(
    one: Float[Tensor, "d_ff d_ff"], other: Float[Tensor, "d_ff d_ff"], keys: Float[Tensor, "keys d_ff"]
) -> float:
    """The estimated excess disturbance of directions from both halves together; infinite where a half is singular."""
    try:
        u, w = whiten(one, keys, RIDGE), whiten(other, keys, RIDGE)
    except EditError:
        return inf
    keys = keys.double()
    both = torch.cat([excess(u, w, other, keys), excess(w, u, one, keys)])
    found = float(both.mean()) / 4
    return inf if isnan(found) else found

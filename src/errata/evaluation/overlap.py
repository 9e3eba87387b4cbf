"""How alike the neuron sets of a fact's phrasings are, and those of different facts.

For a fact with sets A_1 … A_n and union U (Wu et al. 2025, LAND, §3.3, eqs. 4–5):

    N_s = mean |A_p|         N_so = mean over pairs |A_p ∩ A_q|       R_so = mean over pairs |A_p ∩ A_q| / |A_p ∪ A_q|
    N_u = |U|                N_uo = mean |A_p ∩ U| = N_s              R_uo = mean |A_p ∩ U| / |A_p ∪ U| = N_s / N_u

and, ours, for two facts f and g asked in the same phrasing:

    R_cross = mean over pairs of facts and over p of |A_p(f) ∩ A_p(g)| / |A_p(f) ∪ A_p(g)|

for facts of one relation with different objects (`same_relation`), with the same object (`same_object`) and of
different relations (`different_relation`). A method that answers the same for everything has R_so = R_cross = 1.

Departures: the paper prints an N_uo below N_s, which a subset of the union cannot have; here they are equal by
definition. Two empty sets have overlap 0 here: to find nothing twice is no agreement. `empty` is the share of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from errata.errors import InputError

# Pairs of facts of different relations are many: at most this many are looked at, spread evenly.
PAIRS = 2000


@dataclass(frozen=True)
class Overlap:
    """The measures of one method: means over facts, with each fact's and each pair's own."""

    n_s: float
    n_u: float
    n_so: float
    r_so: float
    n_uo: float
    r_uo: float
    empty: float
    pairs: Float[Tensor, "facts pairs"]
    unions: Float[Tensor, " facts"]


def overlap(sets: Sequence[Bool[Tensor, "phrasings neurons"]]) -> Overlap:
    """The measures over facts, each with the sets of its phrasings; raises InputError for fewer than two phrasings."""
    if not sets or any(len(own) != len(sets[0]) or len(own) < 2 for own in sets):
        raise InputError("Overlap needs at least one fact, and two or more phrasings of each, as many of every fact.")
    first, second = torch.triu_indices(len(sets[0]), len(sets[0]), 1)
    sizes = torch.stack([own.sum(1).float() for own in sets])
    unions = torch.stack([own.any(0).sum().float() for own in sets])
    both = torch.stack([_intersections(own, own)[first, second] for own in sets])
    pairs = _ratio(both, sizes[:, first] + sizes[:, second] - both)
    shares = _ratio(sizes.mean(1), unions)
    return Overlap(
        n_s=float(sizes.mean()),
        n_u=float(unions.mean()),
        n_so=float(both.mean()),
        r_so=float(pairs.mean()),
        n_uo=float(sizes.mean()),
        r_uo=float(shares.mean()),
        empty=float((sizes == 0).float().mean()),
        pairs=pairs,
        unions=shares,
    )


def across(
    sets: Sequence[Bool[Tensor, "phrasings neurons"]], groups: Sequence[tuple[str, str]]
) -> dict[str, float | None]:
    """R_cross by kind of pair; `groups` holds each fact's relation and object. None where there is no such pair."""
    pairs: dict[str, list[tuple[int, int]]] = {"same_relation": [], "same_object": [], "different_relation": []}
    for f in range(len(sets)):
        for g in range(f):
            if groups[f][0] != groups[g][0]:
                pairs["different_relation"].append((f, g))
            else:
                pairs["same_object" if groups[f][1] == groups[g][1] else "same_relation"].append((f, g))
    return {kind: _across(sets, _spread(chosen)) for kind, chosen in pairs.items()}


def between(one: Bool[Tensor, "some neurons"], other: Bool[Tensor, "others neurons"]) -> Float[Tensor, "some others"]:
    """|A ∩ B| / |A ∪ B| of every two sets; 0 for two empty ones."""
    both = _intersections(one, other)
    return _ratio(both, one.sum(1).float()[:, None] + other.sum(1).float()[None] - both)


def _across(sets: Sequence[Bool[Tensor, "phrasings neurons"]], pairs: list[tuple[int, int]]) -> float | None:
    if not pairs:
        return None
    found = [between(sets[f], sets[g]).diagonal().mean() for f, g in pairs]
    return float(torch.stack(found).mean())


def _spread(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    step = max(1, -(-len(pairs) // PAIRS))
    return pairs[::step]


def _intersections(one: Tensor, other: Tensor) -> Tensor:
    return one.float() @ other.float().T


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole.clamp_min(1e-12), torch.zeros_like(part))

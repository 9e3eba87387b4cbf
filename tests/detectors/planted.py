"""Strengths made by hand: from dense tensors, and from facts whose phrasings show parts of a planted neuron set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from errata.datasets.pararel import PhrasedFact
from errata.detectors.strengths import Strengths


def sparse(dense: Tensor) -> Strengths:
    """Exactly the entries of `dense [rows, layers, d_ff]` that are not 0."""
    flat = dense.flatten(1)
    owners, neurons = flat.nonzero(as_tuple=True)
    starts = torch.searchsorted(owners, torch.arange(len(dense) + 1))
    return Strengths(dense.shape[1], dense.shape[2], starts, neurons, flat[owners, neurons].float())


def facts(objects: int, each: int, phrasings: int) -> list[PhrasedFact]:
    """Facts of two relations; fact number n has the object n // each."""
    prompts = tuple(f"{{}} is {number}" for number in range(phrasings))
    return [
        PhrasedFact(f"R{number // each % 2}", f"S{number}", f"O{number // each}", prompts)
        for number in range(objects * each)
    ]


@dataclass(frozen=True)
class Planted:
    """Facts, a row for every phrasing, and of every fact the neurons `[facts, layers · d_ff]` that are its own."""

    facts: list[PhrasedFact]
    strengths: Strengths
    own: Tensor


def planted(
    n_layers: int, d_ff: int, objects: int = 12, each: int = 8, phrasings: int = 4, size: int = 12, seed: int = 0
) -> Planted:
    """Every object has `size` neurons no other has; a phrasing shows half of them, and two neurons of its relation."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randperm(n_layers * d_ff, generator=torch.Generator().manual_seed(99))
    rows = facts(objects, each, phrasings)
    dense = torch.zeros(len(rows) * phrasings, n_layers * d_ff)
    own = torch.zeros(len(rows), n_layers * d_ff, dtype=torch.bool)
    common = places[objects * size :]
    for number, fact in enumerate(rows):
        mine = places[number // each * size :][:size]
        own[number, mine] = True
        for at in range(phrasings):
            row = dense[number * phrasings + at]
            shown = mine[torch.randperm(size, generator=generator)[: size // 2]]
            row[shown] = 0.4 + 0.6 * torch.rand(len(shown), generator=generator)
            row[common[2 * int(fact.relation[1:]) :][:2]] = 1.0
    return Planted(rows, sparse(dense.view(-1, n_layers, d_ff)), own)

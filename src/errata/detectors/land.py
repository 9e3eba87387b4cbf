"""LAND's detector: from the 0/1 neurons of one phrasing to how many of the fact's phrasings find each neuron.

    output   o_l = D_lᵀ E_lᵀ x_l                 for every layer l by itself; x_l ∈ {0, 1}^H         (§4)
    target   y = Σ_p x^(p),  then y_i ← 0 for every neuron i that a counter-example finds too       (§4)
    loss     mean squared error, over layers and neurons
    answer   the neurons with o ≥ P

Source: Wu et al. 2025 (LAND, §4, table 7). R = 64; Adam at 1e-4, batches of 8 phrasings, 3 epochs.

Ours, where the paper is silent: a counter-example is another fact of the relation, with another object, in one of the
same phrasings; the recipe says how many are drawn for a fact. P is chosen on facts kept out of training, so that the
answer is 1.2 times as large as the input, as in table 7.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from errata.detectors.strengths import Strengths
from errata.detectors.weights import Weights
from errata.errors import InputError

KIND = "land"
Group = tuple[str, str]


def outputs(weights: Weights, sets: Strengths) -> Float[Tensor, "rows layers d_ff"]:
    """The detector's answer to every identified set."""
    return weights.decoded(weights.codes(sets))


def targets(
    sets: Strengths, phrasings: int, groups: Sequence[Group], counter_examples: int = 1, seed: int = 0
) -> Strengths:
    """One sparse row a fact: in how many of its `phrasings` each neuron is found, without those of counter-examples.

    `sets` holds the facts' phrasings in order, `groups` each fact's relation and object. For every fact
    `counter_examples` facts of its relation with another object are drawn, as far as there are any, each in one of its
    phrasings.
    Raises InputError where sets and groups do not match, and for a negative number of counter-examples.
    """
    if len(sets) != phrasings * len(groups) or counter_examples < 0:
        raise InputError(
            f"Expected {phrasings} sets for each of {len(groups)} facts and at least 0 counter-examples, found "
            f"{len(sets)} sets and {counter_examples}."
        )
    draw = random.Random(seed)
    by_relation: dict[str, list[int]] = defaultdict(list)
    for fact, (relation, _) in enumerate(groups):
        by_relation[relation].append(fact)
    counts = sets.summed(phrasings)
    kept = torch.ones(len(counts.neurons), dtype=torch.bool)
    for fact, (relation, obj) in enumerate(groups):
        others = [other for other in by_relation[relation] if groups[other][1] != obj]
        texts = draw.sample(others, min(counter_examples, len(others)))
        chosen = [other * phrasings + draw.randrange(phrasings) for other in texts]
        own = slice(int(counts.starts[fact]), int(counts.starts[fact + 1]))
        kept[own] = ~torch.isin(counts.neurons[own], sets.rows(chosen).neurons)
    return counts.where(kept)


def loss(weights: Weights, sets: Strengths, wanted: Strengths) -> Float[Tensor, ""]:
    """mean (o − y)² over rows, layers and neurons; the target is read sparsely: Σ(o − y)² = Σo² + Σ_y (y² − 2oy)."""
    found = outputs(weights, sets)
    at = found.flatten(1)[wanted.owners, wanted.neurons]
    return (found.square().sum() + (wanted.values.square() - 2 * at * wanted.values).sum()) / found.numel()


def threshold_for(found: Float[Tensor, "rows layers d_ff"], size: float) -> float:
    """P: the output above which the answers of these rows hold `size` neurons in the mean."""
    count = max(1, min(found.numel(), round(size * len(found))))
    return float(found.flatten().topk(count).values[-1])

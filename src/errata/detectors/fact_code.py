"""Fact code (ours): one code for a fact, from the strengths of all layers, that its phrasings share and others do not.

    input    a_l = w_l x_l / ‖x_l‖               x_l ≥ 0: a layer's attributions, strengths instead of 0/1
    layer    w_l = (c_l / max c)²,  c_l = cos of a fact's phrasings − cos of the relation's facts, at least 0
    code     c = Σ_l E_lᵀ a_l / ‖Σ_l E_lᵀ a_l‖    one for all layers
    recall   ĉ = Σ_j softmax_j(β c·m_j) m_j / ‖…‖    m_j: the training facts' codes, means over their phrasings
    output   s_l = D_lᵀ ĉ
    target   y = (mean_p a^(p) − mean over the relation's facts of that)⁺,  then y / ‖y‖
    loss     ‖D c − y‖² + μ · InfoNCE of two phrasings' codes, facts with another object as negatives
    answer   the `size` neurons with the highest s

What two phrasings of a fact agree on is kept, what the relation's other facts show as well is not, and layers that
say nothing about the fact have no say. The maps are LAND's (2 · L · H · R parameters); strengths, one code for all
layers, the contrast and the recall are new. The recall is one step of a modern Hopfield network (Ramsauer et al. 2021,
eq. 3): a code is drawn to the known codes near it, of facts with the same object for the most part, so that what is
left of the phrasing goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from errata.detectors.strengths import Strengths
from errata.detectors.weights import Weights

KIND = "fact_code"


def layer_weights(strengths: Strengths, phrasings: int, relations: Sequence[str]) -> Float[Tensor, " layers"]:
    """w_l in 0 … 1, from facts whose phrasings stand in order: how much a layer says about the fact it is asked for."""
    units = inputs(strengths, torch.ones(strengths.n_layers))
    sums = units.summed(phrasings)
    pairs = phrasings * (phrasings - 1)
    own = (sums.by_layer() - units.by_layer().view(len(sums), phrasings, -1).sum(1)) / pairs
    means = sums.where(torch.ones_like(sums.values, dtype=torch.bool), sums.values / phrasings)
    across: list[Tensor] = []
    for mine in _by_relation(relations):
        if len(mine) > 1:
            rows = means.rows(mine)
            common = rows.total().square().sum(-1) - rows.by_layer().sum(0)
            across.append(common / (len(mine) * (len(mine) - 1)))
    shared = torch.stack(across).mean(0) if across else torch.zeros(strengths.n_layers)
    contrast = (own.mean(0) - shared).clamp(min=0)
    return (contrast / contrast.max().clamp_min(1e-12)).square()


def inputs(strengths: Strengths, layers: Float[Tensor, " layers"]) -> Strengths:
    """a: every row's strengths, of unit length in each layer and times the layer's weight."""
    at = strengths.neurons // strengths.d_ff
    lengths = strengths.by_layer().sqrt()[strengths.owners, at].clamp_min(1e-12)
    return strengths.where(torch.ones_like(at, dtype=torch.bool), strengths.values / lengths * layers[at])


def codes(weights: Weights, rows: Strengths) -> Float[Tensor, "rows rank"]:
    """c, of unit length, of every row of `inputs`."""
    return functional.normalize(weights.codes(rows).sum(1), dim=-1)


def memory(weights: Weights, rows: Strengths, phrasings: int) -> Float[Tensor, "facts rank"]:
    """m of every fact, whose phrasings stand in order in `rows`, which are `inputs`."""
    return functional.normalize(codes(weights, rows).view(-1, phrasings, weights.shape[2]).mean(1), dim=-1)


def recalled(
    found: Float[Tensor, "rows rank"], known: Float[Tensor, "facts rank"], sharpness: float
) -> Float[Tensor, "rows rank"]:
    """ĉ of every code; β is the sharpness."""
    return functional.normalize((sharpness * found @ known.T).softmax(-1) @ known, dim=-1)


def outputs(
    weights: Weights, rows: Strengths, known: Float[Tensor, "facts rank"] | None = None, sharpness: float = 20.0
) -> Float[Tensor, "rows layers d_ff"]:
    """s of every row of `inputs`, from ĉ where codes are known, else from c."""
    found = codes(weights, rows)
    if known is not None:
        found = recalled(found, known, sharpness)
    return weights.decoded(found[:, None].expand(-1, weights.shape[0], -1))


def targets(rows: Strengths, phrasings: int, relations: Sequence[str]) -> Strengths:
    """y of every fact, whose phrasings stand in order in `rows`, which are `inputs`."""
    sums = rows.summed(phrasings)
    values = sums.values / phrasings
    for mine in _by_relation(relations):
        chosen = torch.isin(sums.owners, torch.tensor(mine))
        common = rows.rows([fact * phrasings + at for fact in mine for at in range(phrasings)]).total().flatten()
        values[chosen] -= common[sums.neurons[chosen]] / (len(mine) * phrasings)
    found = sums.where(values > 0, values)
    lengths = found.by_layer().sum(1).sqrt()[found.owners].clamp_min(1e-12)
    return found.where(torch.ones_like(found.owners, dtype=torch.bool), found.values / lengths)


def _by_relation(relations: Sequence[str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for fact, relation in enumerate(relations):
        groups[relation].append(fact)
    return list(groups.values())


def loss(
    weights: Weights,
    pairs: Strengths,
    wanted: Strengths,
    objects: Int[Tensor, " facts"],
    contrast: float,
    temperature: float,
) -> Float[Tensor, ""]:
    """‖s − y‖² + μ · InfoNCE of a batch: rows 2i and 2i + 1 of `pairs` are phrasings of fact i.

    `objects` numbers relation and object: facts with the same are not held against each other.
    """
    found = codes(weights, pairs)
    answers = weights.decoded(found[:, None].expand(-1, weights.shape[0], -1)).flatten(1)
    twice = wanted.rows(torch.arange(len(wanted)).repeat_interleave(2))
    at = answers[twice.owners, twice.neurons]
    error = (answers.square().sum() + (twice.values.square() - 2 * at * twice.values).sum()) / len(pairs)
    first, second = found[0::2], found[1::2]
    likeness = first @ second.T / temperature
    alike = (objects[:, None] == objects[None]) & ~torch.eye(len(objects), dtype=torch.bool)
    likeness = likeness.masked_fill(alike, float("-inf"))
    own = torch.arange(len(objects))
    nce = (functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)) / 2
    return error + contrast * nce

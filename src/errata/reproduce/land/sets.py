"""The neurons that every compared method answers for every phrasing of the test facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from errata.datasets.pararel import PhrasedFact
from errata.detectors import fact_code, land
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.localizers._shuffle import order_of
from errata.localizers.kn_refined import refine

BASELINE, REFINED, LAND, CODE = "knowledge_neurons", "kn_refined", "land", "fact_code"
FREQUENT, RANDOM = "relation_frequent", "random_as_"
METHODS = (BASELINE, REFINED, LAND, CODE, FREQUENT, RANDOM + BASELINE, RANDOM + LAND, RANDOM + CODE)

# For every fact `[phrasings, layers · d_ff]`; the ten phrasings come first, then those only tested with.
Sets = list[Bool[Tensor, "phrasings neurons"]]


def all_sets(
    facts: Sequence[PhrasedFact],
    rows: Strengths,
    training: tuple[Sequence[PhrasedFact], Strengths],
    detectors: Mapping[str, Trained],
    seed: int,
) -> dict[str, Sets]:
    """Every method's sets for these facts; `rows` holds their phrasings in order, `training` what was learned from.

    `relation_frequent` answers the neurons that most training phrasings of the relation find, as many as LAND answers
    in the mean; `random_as_X` as many neurons in every layer as X, drawn anew for each phrasing.
    """
    per_fact = len(rows) // len(facts)
    asked = len(facts[0].prompts)
    threshold = detectors[LAND].threshold
    identified = rows.above(threshold)
    found: dict[str, Sets] = {BASELINE: [], REFINED: [], LAND: [], CODE: [], FREQUENT: []}
    for at in range(len(facts)):
        own = range(at * per_fact, (at + 1) * per_fact)
        base = identified.rows(own).dense().bool().flatten(1)
        found[BASELINE].append(base)
        shares = base[:asked].float().mean(0)
        found[REFINED].append((shares >= refine(shares[None])).expand(per_fact, -1))
        found[LAND].append(land_sets(detectors[LAND], identified.rows(own)))
        found[CODE].append(code_sets(detectors[CODE], rows.rows(own)))
    size = round(float(torch.stack([own[:asked].sum(1).float().mean() for own in found[LAND]]).mean()))
    usual = frequent(*training, threshold, max(1, size))
    none = torch.zeros(rows.n_layers * rows.d_ff, dtype=torch.bool)  # of a relation that nothing was learned from
    found[FREQUENT] = [usual.get(fact.relation, none).expand(per_fact, -1) for fact in facts]
    generator = torch.Generator().manual_seed(seed)
    for like in (BASELINE, LAND, CODE):
        found[RANDOM + like] = [shuffled(own, rows.n_layers, generator) for own in found[like]]
    return {name: found[name] for name in METHODS}


@torch.no_grad()
def land_sets(trained: Trained, identified: Strengths) -> Bool[Tensor, "phrasings neurons"]:
    """What a LAND detector answers for identified sets."""
    return land.outputs(trained.weights, identified).flatten(1) >= float(trained.answer["threshold"])


@torch.no_grad()
def code_sets(trained: Trained, rows: Strengths) -> Bool[Tensor, "phrasings neurons"]:
    """What a fact code answers for strengths."""
    inputs = fact_code.inputs(rows, torch.tensor(trained.answer["layers"]))
    flat = fact_code.outputs(trained.weights, inputs, trained.memory, float(trained.answer["sharpness"])).flatten(1)
    chosen = flat.sort(dim=1, descending=True, stable=True).indices[:, : int(trained.answer["size"])]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, chosen, True)


def frequent(
    facts: Sequence[PhrasedFact], rows: Strengths, threshold: float, size: int
) -> dict[str, Bool[Tensor, " neurons"]]:
    """The `size` neurons that most of a relation's phrasings find, by relation."""
    phrasings = len(rows) // len(facts)
    identified = rows.above(threshold)
    found: dict[str, Bool[Tensor, " neurons"]] = {}
    for relation in dict.fromkeys(fact.relation for fact in facts):
        own = [n * phrasings + p for n, f in enumerate(facts) if f.relation == relation for p in range(phrasings)]
        counts = identified.rows(own).total().flatten()
        chosen = counts.sort(descending=True, stable=True).indices[:size]
        found[relation] = torch.zeros(len(counts), dtype=torch.bool).index_fill_(0, chosen, True)
    return found


def shuffled(
    sets: Bool[Tensor, "phrasings neurons"], layers: int, generator: torch.Generator
) -> Bool[Tensor, "phrasings neurons"]:
    """As many neurons in each layer, elsewhere at random."""
    by_layer = sets.view(len(sets), layers, -1)
    return by_layer.gather(-1, order_of(by_layer.shape, generator)).flatten(1)

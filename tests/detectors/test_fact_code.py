"""The fact code: layers, inputs, targets and loss written out densely, and a code that is one fact's own."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from errata.detectors import fact_code
from errata.detectors.weights import Weights
from errata.evaluation.overlap import across, overlap
from errata.training.recipe import FactCodeRecipe
from errata.training.train import train
from tests.detectors.planted import planted, sparse
from tests.tiny import D_FF, LAYERS, tiny


def random_rows(count: int, layers: int = 2, d_ff: int = 30, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, layers, d_ff)
    return torch.rand(*shape, generator=generator) * (torch.rand(*shape, generator=generator) < 0.4)


def test_a_layer_counts_as_far_as_it_tells_facts_apart() -> None:
    rows = torch.zeros(4, 3, 3, 30)  # facts, phrasings, layers, neurons
    rows[:, :, 0, 5] = 0.3  # the same whatever the fact
    for fact in range(4):
        rows[fact, :, 1, fact] = 0.7  # a fact's own, whatever the phrasing
    for at in range(12):
        rows[at // 3, at % 3, 2, 10 + at] = 0.2  # a phrasing's own
    found = fact_code.layer_weights(sparse(rows.view(12, 3, 30)), 3, ["r"] * 4)
    assert torch.allclose(found, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)


def test_layer_weights_are_the_contrast_of_cosines() -> None:
    rows = random_rows(18)
    relations = ["a", "a", "a", "b", "b", "c"]
    units = normalize(rows.view(6, 3, 2, 30), dim=-1)
    means = units.mean(1)
    within = [
        torch.stack([(fact[p] * fact[q]).sum(-1) for p in range(3) for q in range(3) if p != q]).mean(0)
        for fact in units
    ]
    shared = [
        torch.stack([(means[f] * means[g]).sum(-1) for f in mine for g in mine if f != g]).mean(0)
        for mine in ([0, 1, 2], [3, 4])
    ]
    contrast = (torch.stack(within).mean(0) - torch.stack(shared).mean(0)).clamp(min=0)
    found = fact_code.layer_weights(sparse(rows), 3, relations)
    assert torch.allclose(found, (contrast / contrast.max()).square(), atol=1e-5)


def test_inputs_have_the_layers_weight_as_length() -> None:
    rows = random_rows(5)
    rows[2, 1] = 0
    layers = torch.tensor([0.25, 1.0])
    found = fact_code.inputs(sparse(rows), layers).dense()
    lengths = layers.expand(5, 2) * (rows.sum(-1) > 0)
    assert torch.allclose(found.norm(dim=-1), lengths, atol=1e-6)
    assert torch.allclose(normalize(found, dim=-1), normalize(rows, dim=-1), atol=1e-6)


def test_a_code_has_unit_length_and_serves_all_layers() -> None:
    weights = Weights.random(2, 30, 4, torch.Generator().manual_seed(0))
    rows = random_rows(5)
    code = normalize(torch.einsum("nlh,lhr->nr", rows, weights.encode), dim=-1)
    assert torch.allclose(fact_code.codes(weights, sparse(rows)), code, atol=1e-6)
    expected = torch.einsum("nr,lrh->nlh", code, weights.decode)
    assert torch.allclose(fact_code.outputs(weights, sparse(rows)), expected, atol=1e-6)


def test_known_codes_are_means_over_phrasings() -> None:
    weights, rows = Weights.random(2, 30, 4, torch.Generator().manual_seed(0)), sparse(random_rows(6))
    found = fact_code.memory(weights, rows, 3)
    expected = normalize(fact_code.codes(weights, rows).view(2, 3, 4).mean(1), dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_code_is_drawn_to_the_known_codes_near_it() -> None:
    generator = torch.Generator().manual_seed(0)
    known, found = (normalize(torch.randn(count, 4, generator=generator), dim=-1) for count in (3, 5))
    weighted = torch.stack([torch.stack([(7 * code @ m).exp() * m for m in known]).sum(0) for code in found])
    assert torch.allclose(fact_code.recalled(found, known, 7.0), normalize(weighted, dim=-1), atol=1e-6)
    nearest = known[(found @ known.T).argmax(1)]
    assert torch.allclose(fact_code.recalled(found, known, 1e4), nearest, atol=1e-5)


def test_outputs_are_those_of_the_recalled_code() -> None:
    weights, rows = Weights.random(2, 30, 4, torch.Generator().manual_seed(0)), sparse(random_rows(6))
    known = fact_code.memory(weights, rows, 2)
    code = fact_code.recalled(fact_code.codes(weights, rows), known, 5.0)
    expected = torch.einsum("nr,lrh->nlh", code, weights.decode)
    assert torch.allclose(fact_code.outputs(weights, rows, known, 5.0), expected, atol=1e-6)
    assert not torch.allclose(fact_code.outputs(weights, rows), expected, atol=1e-3)


def test_targets_leave_out_what_the_relation_shares() -> None:
    rows = random_rows(15)
    rows[:, 0, 3] = 0.6  # in every prompt alike
    relations = ["a", "a", "a", "b", "b"]
    found = fact_code.targets(sparse(rows), 3, relations).dense()
    means = rows.view(5, 3, 2, 30).mean(1)
    common = torch.stack([means[:3].mean(0)] * 3 + [means[3:].mean(0)] * 2)
    expected = (means - common).clamp(min=0)
    expected = expected / expected.flatten(1).norm(dim=1)[:, None, None]
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(found.flatten(1).norm(dim=1), torch.ones(5), atol=1e-5)
    assert float(found[:, 0, 3].max()) < 1e-5


@pytest.mark.parametrize("contrast", [0.0, 0.7])
def test_the_loss_is_that_of_the_equations(contrast: float) -> None:
    weights = Weights.random(2, 30, 4, torch.Generator().manual_seed(0))
    pairs, wanted = random_rows(8), random_rows(4, seed=1)
    objects = torch.tensor([0, 1, 0, 2])
    code = normalize(torch.einsum("nlh,lhr->nr", pairs, weights.encode), dim=-1)
    answers = torch.einsum("nr,lrh->nlh", code, weights.decode)
    error = torch.stack([(answers[row] - wanted[row // 2]).square().sum() for row in range(8)]).mean()
    first, second = code[0::2], code[1::2]
    terms = []
    for fact in range(4):
        others = [other for other in range(4) if objects[other] != objects[fact] or other == fact]
        own = torch.tensor(others.index(fact))
        terms += [
            cross_entropy(first[fact] @ second[others].T / 0.1, own),
            cross_entropy(second[fact] @ first[others].T / 0.1, own),
        ]
    expected = error + contrast * torch.stack(terms).sum() / 8
    found = fact_code.loss(weights, sparse(pairs), sparse(wanted), objects, contrast, 0.1)
    assert torch.allclose(found, expected, rtol=1e-5)


def test_a_code_is_stable_across_phrasings_and_different_across_facts() -> None:
    seen, unseen = planted(LAYERS, D_FF, seed=0), planted(LAYERS, D_FF, each=2, seed=1)
    recipe = FactCodeRecipe(rank=16, steps=400, batch=24, learning_rate=1e-2, size=12)
    found = train(tiny("gpt2"), seen.facts, seen.strengths, recipe, silent=True)
    rows = fact_code.inputs(unseen.strengths, torch.tensor(found.answer["layers"]))
    best = (
        fact_code.outputs(found.weights, rows, found.memory, found.answer["sharpness"])
        .flatten(1)
        .topk(found.answer["size"])
        .indices
    )
    answers = torch.zeros(len(rows), LAYERS * D_FF, dtype=torch.bool).scatter_(1, best, True)
    groups = [(fact.relation, fact.object) for fact in unseen.facts]

    def measured(sets: torch.Tensor) -> tuple[float, float]:
        facts = list(sets.view(-1, 4, LAYERS * D_FF))
        return overlap(facts).r_so, across(facts, groups)["same_relation"] or 0.0

    before, after = measured(unseen.strengths.dense().flatten(1) > 0), measured(answers)
    assert before[0] < 0.6 and after[0] > 0.8
    assert after[1] < before[1]
    recovered = (answers & unseen.own.repeat_interleave(4, 0)).sum(1).float().mean() / 12
    assert float(recovered) > 0.85

"""The linear memory's mathematics: whitened directions, rank-one updates, value optimisation."""

import pytest
import torch

from errata import Fact
from errata.associative.keys import subject_keys
from errata.associative.sampling import sample_contexts, sample_tokens
from errata.associative.solve import by_covariance, by_identity, rank_one
from errata.associative.values import ValueSettings, optimise_values
from errata.errors import EditError
from errata.model.hooks import capture_inputs, count_hooks
from errata.model.tokens import encode_fact
from tests.tiny import ARCHITECTURES, tiny

FACTS = [Fact("France", "The capital of {} is", target="Rome"), Fact("Ada Lovelace", "{} was born in", target="Paris")]


def test_rank_one_writes_the_residual_at_the_key():
    generator = torch.Generator().manual_seed(0)
    key, direction = torch.randn(2, 7, dtype=torch.float64, generator=generator)
    residual = torch.randn(5, dtype=torch.float64, generator=generator)
    left, right = rank_one(residual, direction, key)
    assert torch.allclose(left @ right @ key, residual)
    other = torch.linalg.svd(right, full_matrices=True).Vh[1]
    assert torch.allclose((left @ right @ other).abs().max(), torch.zeros((), dtype=torch.float64), atol=1e-12)
    with pytest.raises(EditError, match="zero"):
        rank_one(residual, direction, torch.zeros_like(key))


def test_weighted_directions_solve_the_loaded_system():
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    c = samples.T @ samples / 50
    keys = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    loaded = 2.0 * (c + 0.1 * c.diagonal().mean() * torch.eye(6, dtype=torch.float64))
    assert torch.allclose(by_covariance(c, 2.0, ridge=0.1).directions(keys) @ loaded, keys)
    assert torch.allclose(by_identity(6, 2.0).directions(keys), keys / 2)
    with pytest.raises(EditError, match="singular or not finite"):
        by_covariance(torch.full((6, 6), float("nan"), dtype=torch.float64))


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_sampling_repeats_and_leaves_the_global_generator_alone(architecture):
    view = tiny(architecture)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = sample_tokens(view, 4, 8, seed=1)
    assert torch.equal(torch.rand(2), expected)
    assert first.shape == (4, 8)
    assert torch.equal(first, sample_tokens(view, 4, 8, seed=1))
    assert not torch.equal(first, sample_tokens(view, 4, 8, seed=2))
    contexts = sample_contexts(view, (3, 3, 5), seed=0)
    assert contexts[0] == ""
    assert len(contexts) == 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_subject_keys_are_what_the_projection_reads(architecture):
    view = tiny(architecture)
    rows = [encode_fact(view.tokenizer, fact) for fact in FACTS]
    keys = subject_keys(view, [1], rows)[1]
    for row, key in zip(rows, keys, strict=True):
        with torch.no_grad(), capture_inputs([view.projection(1)]) as seen:
            view.model(input_ids=torch.tensor([row.ids]), use_cache=False)
        assert torch.allclose(seen[0].view(len(row.ids), -1)[row.subject_last], key, atol=1e-5)


@pytest.mark.parametrize("site", ["value", "block"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_values_lower_the_nll_and_batching_changes_nothing(architecture, site):
    view = tiny(architecture)
    settings = ValueSettings(steps=15, lr=0.3, clamp=None)
    targets = [fact.target for fact in FACTS]
    nothing = optimise_values(view, 1, FACTS, targets, ["", "Dante. "], ValueSettings(steps=0), site=site)
    both = optimise_values(view, 1, FACTS, targets, ["", "Dante. "], settings, site=site)
    assert all(after < before for after, before in zip(both.nll, nothing.nll, strict=True))
    assert torch.equal(nothing.delta, torch.zeros_like(nothing.delta))
    for i, fact in enumerate(FACTS):
        alone = optimise_values(view, 1, [fact], [targets[i]], ["", "Dante. "], settings, site=site)
        assert torch.allclose(alone.delta[0], both.delta[i], atol=1e-3 * float(both.delta[i].norm()))
    assert count_hooks(view.model) == 0


def test_the_clamp_bounds_the_value():
    view = tiny("gpt2")
    found = optimise_values(view, 1, FACTS, ["Rome", "Paris"], [""], ValueSettings(steps=10, clamp=0.5))
    for delta, norm in zip(found.delta, found.norm, strict=True):
        assert float(delta.norm()) <= 0.5 * norm * (1 + 1e-5)


def test_a_fact_that_is_done_stops_moving():
    view = tiny("gpt2")
    nothing = optimise_values(view, 1, FACTS, ["Rome", "Paris"], [""], ValueSettings(steps=0))
    stop = (nothing.nll[0] + nothing.nll[1]) / 2
    found = optimise_values(view, 1, FACTS, ["Rome", "Paris"], [""], ValueSettings(steps=3, lr=1e-4, stop=stop))
    done = 0 if nothing.nll[0] < stop else 1
    assert torch.equal(found.delta[done], torch.zeros_like(found.delta[done]))
    assert float(found.delta[1 - done].norm()) > 0


def test_a_model_with_nan_is_refused():
    view = tiny("llama")
    view.write(2, torch.full_like(view.weight(2), float("nan")))
    with pytest.raises(EditError, match="diverged"):
        optimise_values(view, 1, FACTS, ["Rome", "Paris"], [""], ValueSettings(steps=3))

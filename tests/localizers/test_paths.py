"""Path integrals of groups: memory, grouping by length, points added where a gap is large."""

import pytest
import torch

from errata.errors import InputError
from errata.localizers import _schedule
from errata.localizers._paths import path_scores
from errata.localizers._plain import plain_scores
from errata.localizers._quadrature import quadrature
from errata.localizers._schedule import PASS_TOKENS, by_length, estimate, schedule
from errata.model.head import CHUNK_BYTES
from errata.model.scoring import OBJECTIVES
from errata.model.ways import way_of
from tests.model.test_growth import ROWS, TARGETS, furthest
from tests.tiny import ARCHITECTURES, tiny

PROBABILITY = OBJECTIVES["probability"]
GAUSS = quadrature("gauss-legendre", 4)


def test_lengths_join_where_that_costs_less_than_a_pass():
    few = [10, 11, 12]
    assert by_length(few, padded=True) == [[0, 1, 2]]
    assert by_length(few, padded=False) == [[0], [1], [2]]
    far = [10, 10 + PASS_TOKENS + 1]
    assert by_length(far, padded=True) == [[0], [1]]
    many = [10] * (PASS_TOKENS + 1) + [11]
    assert [len(group) for group in by_length(many, padded=True)] == [PASS_TOKENS + 1, 1]
    # The cheapest of all divisions, by trying each.
    lengths = [3] * 10 + [5] * 20 + [9] * 7 + [30] * 2 + [64]
    kinds = sorted(set(lengths))

    def cost(groups):
        return sum(PASS_TOKENS + sum(max(group) - length for length in group) for group in groups)

    def divisions(rest):
        if not rest:
            yield []
        for end in range(1, len(rest) + 1):
            for others in divisions(rest[end:]):
                yield [[length for kind in rest[:end] for length in [kind] * lengths.count(kind)], *others]

    found = cost([[lengths[i] for i in group] for group in by_length(lengths, padded=True)])
    assert found == min(map(cost, divisions(kinds)))


def test_every_prompt_is_scheduled_once():
    view = tiny("gpt2")
    groups = schedule(view, ROWS * 5, 5, way_of(view))
    assert sorted(i for group in groups for i in group.members) == list(range(30))


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3", "bloom"])
@pytest.mark.parametrize("rule", ["gauss-legendre", "riemann-right"])
def test_little_memory_changes_the_passes_and_not_the_numbers(architecture, rule):
    view = tiny(architecture)
    way, points = way_of(view), quadrature(rule, 6)
    expected = path_scores(view, ROWS, TARGETS, points, PROBABILITY)
    least = 2 * CHUNK_BYTES + estimate(view, 8, 2, way)
    groups = schedule(view, ROWS, 7, way, least)
    assert max(group.parts for group in groups) > 1
    assert all(len(group.members) == 1 for group in groups if len(ROWS[group.members[0]]) == 8)
    found = path_scores(view, ROWS, TARGETS, points, PROBABILITY, memory=least)
    assert furthest(found.scores, expected.scores) < 1e-5
    assert furthest(found.change, expected.change) < 1e-5


def test_too_little_memory_is_refused_with_what_is_needed():
    with pytest.raises(InputError, match=r"needs about \d+ MiB"):
        path_scores(tiny("gpt2"), ROWS, TARGETS, GAUSS, PROBABILITY, memory=1000)


def test_the_estimate_grows_with_what_it_estimates():
    view = tiny("llama")
    way = way_of(view)
    base = estimate(view, 8, 4, way)
    assert base < estimate(view, 80, 4, way)
    assert base < estimate(view, 8, 8, way)


def test_many_prompts_take_their_ends_apart(monkeypatch):
    """f(0) in a pass of its own without a way back, and in the common one."""
    view = tiny("llama")
    monkeypatch.setattr("errata.localizers._paths.APART", 1)
    apart = path_scores(view, ROWS, TARGETS, GAUSS, PROBABILITY)
    monkeypatch.setattr("errata.localizers._paths.APART", 10**9)
    together = path_scores(view, ROWS, TARGETS, GAUSS, PROBABILITY)
    assert furthest(apart.scores, together.scores) < 1e-5
    assert furthest(apart.change, together.change) < 1e-5


def gaps(found):
    largest = found.change.double().abs().amax(dim=1, keepdim=True)
    return (found.scores.double().sum(-1) - found.change.double()).abs() / largest


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tolerance_is_met(architecture):
    view = tiny(architecture)
    rule = quadrature("gauss-legendre", 3)
    found = path_scores(view, ROWS, TARGETS, rule, PROBABILITY, tolerance=1e-3)
    assert float(gaps(found).max()) <= 1.01e-3
    fixed = path_scores(view, ROWS, TARGETS, rule, PROBABILITY)
    already = (gaps(fixed) <= 1e-3)[:, :, None]
    assert torch.equal(torch.where(already, found.scores, 0), torch.where(already, fixed.scores, 0))


def test_added_points_bring_the_scores_nearer_to_the_integral():
    view = tiny("gemma3")
    rule = quadrature("gauss-legendre", 3)
    near = plain_scores(view, ROWS[:1], TARGETS[:1], quadrature("gauss-legendre", 400), PROBABILITY)
    fixed = path_scores(view, ROWS[:1], TARGETS[:1], rule, PROBABILITY)
    fine = path_scores(view, ROWS[:1], TARGETS[:1], rule, PROBABILITY, tolerance=1e-3)
    finer = path_scores(view, ROWS[:1], TARGETS[:1], rule, PROBABILITY, tolerance=1e-4)
    assert furthest(fine.scores, finer.scores) < 0.05 * furthest(fixed.scores, finer.scores)
    assert furthest(near.scores, finer.scores) < furthest(fixed.scores, finer.scores)


def test_a_tolerance_below_rounding_ends():
    found = path_scores(tiny("gpt2"), ROWS, TARGETS, GAUSS, PROBABILITY, tolerance=1e-12)
    assert float(gaps(found).max()) < 1e-3


def test_prompts_per_pass_do_not_matter(monkeypatch):
    view = tiny("gpt2")
    expected = path_scores(view, ROWS, TARGETS, GAUSS, PROBABILITY)
    monkeypatch.setattr(_schedule, "CPU_ROWS", 1)
    found = path_scores(view, ROWS, TARGETS, GAUSS, PROBABILITY)
    assert furthest(found.scores, expected.scores) < 1e-5

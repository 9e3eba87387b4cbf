"""Fewest factors of a sum: exact where nothing is dropped, best where something is."""

import pytest
import torch

from errata.deltas import WeightDelta
from errata.export.factors import compress


def delta(left: torch.Tensor, right: torch.Tensor) -> WeightDelta:
    return WeightDelta(1, "m", left, right, "base")


def random(rank: int, seed: int, rows: int = 6, columns: int = 9) -> WeightDelta:
    generator = torch.Generator().manual_seed(seed)
    return delta(torch.randn(rows, rank, generator=generator), torch.randn(rank, columns, generator=generator))


def dense(deltas: list[WeightDelta]) -> torch.Tensor:
    return sum((d.left.double() @ d.right.double() for d in deltas), torch.zeros(deltas[0].shape).double())


def test_factors_that_are_all_needed_keep_their_bits() -> None:
    deltas = [random(1, 0), random(2, 1)]
    found = compress(deltas)
    assert (found.rank, found.needed, found.lost, found.layer, found.module) == (3, 3, 0.0, 1, "m")
    assert torch.equal(found.left, torch.cat([d.left for d in deltas], dim=1))
    assert torch.equal(found.right, torch.cat([d.right for d in deltas]))


def test_a_sum_of_more_terms_than_rows_has_the_rank_of_the_matrix() -> None:
    deltas = [random(1, seed) for seed in range(20)]
    found = compress(deltas)
    assert (found.rank, found.needed, found.lost) == (6, 6, 0.0)
    assert torch.allclose(found.left @ found.right, dense(deltas).float(), atol=1e-5)


def test_equal_directions_count_once_and_opposite_ones_not_at_all() -> None:
    one, other = random(1, 0), random(1, 1)
    assert compress([one, one, other]).rank == 2
    assert compress([one, other, delta(-one.left, one.right)]).rank == 1
    nothing = compress([one, delta(-one.left, one.right)])
    assert (nothing.rank, nothing.needed) == (0, 0)


def test_a_small_direction_stays_whatever_the_scale_of_its_factors() -> None:
    large, small = random(1, 0), random(1, 1)
    lopsided = [delta(1e6 * large.left, 1e-6 * large.right), delta(1e-9 * small.left, 1e6 * small.right)]
    assert compress([*lopsided, *lopsided]).rank == 2


def test_truncation_keeps_the_strongest_directions() -> None:
    """ΔW = diag(4, 2, 1): the energy is 16 + 4 + 1, so rank 1 loses 5 / 21 and rank 2 loses 1 / 21."""
    identity = torch.eye(3)
    terms = [delta(scale * identity[:, i : i + 1], identity[i : i + 1]) for i, scale in enumerate((1.0, 4.0, 2.0))]
    one, two = compress(terms, 1), compress(terms, 2)
    assert (one.rank, one.needed, two.rank) == (1, 3, 2)
    assert one.lost == pytest.approx(5 / 21) and two.lost == pytest.approx(1 / 21)
    assert torch.allclose(two.left @ two.right, torch.diag(torch.tensor([0.0, 4.0, 2.0])), atol=1e-6)
    assert compress(terms, 3).lost == 0.0


def test_zero_columns_are_left_out_and_padding_puts_them_back() -> None:
    one = random(2, 0)
    padded = delta(torch.cat([one.left, torch.zeros(6, 1)], dim=1), torch.cat([one.right, torch.ones(1, 9)]))
    found = compress([padded])
    assert found.rank == 2 and torch.equal(found.left, one.left)
    left, right = found.padded(5)
    assert left.shape == (6, 5) and right.shape == (5, 9)
    assert not left[:, 2:].any() and not right[2:].any() and torch.equal(left[:, :2], one.left)


def test_six_hundred_edits_of_a_wide_layer() -> None:
    generator = torch.Generator().manual_seed(0)
    deltas = [
        delta(torch.randn(640, 1, generator=generator), torch.randn(1, 700, generator=generator)) for _ in range(600)
    ]
    assert compress(deltas).rank == 600
    kept = compress(deltas, 512)
    assert (kept.rank, kept.needed) == (512, 600) and 0 < kept.lost < 0.05
    sigma = torch.linalg.svdvals(dense(deltas))
    assert kept.lost == pytest.approx(float(sigma[512:].square().sum() / sigma.square().sum()), rel=1e-6)

"""The running sum in factors, against the dense sum, and the projections it serves."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from errata.associative.guard import Guard
from errata.associative.subspace import RunningSum, away, orthonormal, thin_svd


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def projector(basis):
    return basis @ basis.T


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_factored_and_dense_span_the_same_subspace(ranks, seed):
    d_model, d_ff = 9, 14
    total, dense = RunningSum.zero(d_model, d_ff), torch.zeros(d_model, d_ff, dtype=torch.float64)
    for i, rank in enumerate(ranks):
        a, b = random(d_model, rank, seed=seed + 2 * i), random(rank, d_ff, seed=seed + 2 * i + 1)
        total, dense = total.plus(a, b), dense + a @ b
    u, sizes, vh = torch.linalg.svd(dense, full_matrices=False)
    rank = len(total.sizes)
    assert rank == min(sum(ranks), d_model)
    assert torch.allclose(total.sizes, sizes[:rank], atol=1e-9)
    assert torch.allclose(total.left * total.sizes @ total.right.T, dense, atol=1e-9)
    assert torch.allclose(total.left.T @ total.left, torch.eye(rank, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(total.right.T @ total.right, torch.eye(rank, dtype=torch.float64), atol=1e-9)
    k = total.leading(0.8, 1.0)
    if k < rank and float(sizes[k - 1] - sizes[k]) > 1e-6:
        assert torch.allclose(projector(total.left[:, :k]), projector(u[:, :k]), atol=1e-6)
        assert torch.allclose(projector(total.right[:, :k]), projector(vh[:k].T), atol=1e-6)


def test_what_cancels_is_gone():
    a, b = random(6, 2), random(2, 8, seed=1)
    total = RunningSum.zero(6, 8).plus(a, b).plus(-a, b)
    assert float(total.sizes.sum()) < 1e-12


def test_many_more_updates_than_dimensions():
    total, dense = RunningSum.zero(6, 10), torch.zeros(6, 10, dtype=torch.float64)
    for i in range(200):
        a, b = random(6, 1, seed=2 * i), random(1, 10, seed=2 * i + 1)
        total, dense = total.plus(a, b), dense + a @ b
    assert total.left.shape == (6, 6)
    assert torch.allclose(total.left * total.sizes @ total.right.T, dense, atol=1e-9)


@pytest.mark.parametrize(("energy", "cap", "expected"), [(0.5, 1.0, 1), (0.95, 1.0, 2), (1.0, 1.0, 3), (1.0, 0.34, 2)])
def test_the_energy_rule(energy, cap, expected):
    """σ² = 16, 4, 0.25 of 20.25: 79 %, 98.8 %, 100 %."""
    total = RunningSum(torch.eye(6, dtype=torch.float64)[:, :3], torch.tensor([4.0, 2.0, 0.5]).double(), random(8, 3))
    assert total.leading(energy, cap) == expected
    assert RunningSum.zero(6, 8).leading(energy, cap) == 0


def test_the_projection_is_one():
    basis = orthonormal(random(8, 3))
    p = torch.eye(8, dtype=torch.float64) - projector(basis)
    assert torch.allclose(p, p.T)
    assert torch.allclose(p @ p, p)
    update = random(8, 2, seed=4) @ random(2, 9, seed=5)
    assert torch.allclose(away(basis, update), p @ update)
    assert float((basis.T @ away(basis, update)).abs().max()) < 1e-12
    assert orthonormal(torch.zeros(4, 2).double()).shape == (4, 0)


def guard(**settings):
    past = torch.eye(6, dtype=torch.float64)
    return Guard(past[:, :2], past[:, 2:3], random(9, 0), **settings)


def test_the_penalty_is_the_share_of_delta_in_each_subspace():
    delta = torch.tensor([[3.0, 0, 0, 4, 0, 0], [0, 0, 5, 0, 0, 0], [0, 0, 0, 0, 0, 0]], requires_grad=True)
    found = guard(weights=(0.5, 0.25)).penalty(delta)
    assert torch.allclose(found, torch.tensor([0.5 * 0.6, 0.25, 0.0]))
    found.sum().backward()
    assert bool(torch.isfinite(delta.grad).all())
    assert float(guard().penalty(delta).sum()) == 0


def test_projection_in_the_loop_holds_for_the_facts_that_are_guarded():
    delta, facts = torch.ones(3, 6), torch.arange(3)
    assert torch.equal(guard().project(delta, facts), delta)
    assert torch.equal(guard(in_loop=True).project(delta, facts), torch.tensor([[0.0, 0, 0, 1, 1, 1]] * 3))
    only = guard(in_loop=True, only=torch.tensor([True, False, True])).project(delta[1:], facts[1:])
    assert torch.equal(only, torch.tensor([[1.0] * 6, [0, 0, 0, 1, 1, 1]]))


def test_a_matrix_that_lapack_gives_up_on_is_rotated(monkeypatch):
    """As it happened: 111 orthonormal columns of 256 rows, after some 150 edits under `loss+post`."""
    matrix = orthonormal(random(12, 5)) @ torch.diag(torch.tensor([3.0, 1.0, 1.0, 1.0, 0.0], dtype=torch.float64))
    decompose, given = torch.linalg.svd, []

    def gives_up(one, **options):
        given.append(one)
        if torch.equal(one, matrix):
            raise torch.linalg.LinAlgError("The algorithm failed to converge")
        return decompose(one, **options)

    monkeypatch.setattr(torch.linalg, "svd", gives_up)
    u, sizes, v = thin_svd(matrix)
    assert len(given) == 2
    assert torch.allclose(u * sizes @ v, matrix, atol=1e-12)
    assert torch.allclose(sizes, torch.tensor([3.0, 1.0, 1.0, 1.0, 0.0], dtype=torch.float64), atol=1e-12)
    assert torch.allclose(v @ v.T, torch.eye(5, dtype=torch.float64), atol=1e-12)
    assert orthonormal(matrix).shape == (12, 4)

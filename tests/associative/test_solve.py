"""The closed forms against direct solves, on systems small enough to write down."""

import pytest
import torch

from errata.associative.solve import by_covariance, by_identity, in_null_space, whiten
from errata.errors import EditError

D_FF, D_MODEL = 24, 7


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(seed=1):
    samples = random(200, D_FF, seed=seed) * torch.logspace(-1, 1, D_FF, dtype=torch.float64)
    return samples.T @ samples / 200


def loaded(c, ridge=1e-3):
    return c + ridge * c.diagonal().mean() * torch.eye(D_FF, dtype=torch.float64)


def close(a, b, to=1e-9):
    return float((a - b).norm()) <= to * float(b.norm())


def test_least_squares_solves_the_normal_equations():
    """Δ(λC + KKᵀ) = RKᵀ."""
    keys, residuals, c = random(5, D_FF), random(5, D_MODEL, seed=2), covariance()
    update = residuals.T @ by_covariance(c, 3.0).rows(keys)
    assert close(update @ (3.0 * loaded(c) + keys.T @ keys), residuals.T @ keys)


@pytest.mark.parametrize("facts", [1, 5, 40])
def test_woodbury_is_the_direct_solve(facts):
    keys, c = random(facts, D_FF), covariance()
    direct = torch.linalg.solve(3.0 * loaded(c) + keys.T @ keys, keys.T).T
    assert close(by_covariance(c, 3.0).rows(keys), direct)


def test_accumulated_keys_are_a_direct_solve_too():
    c, weighting, total = covariance(), by_covariance(covariance(), 2.0), 2.0 * loaded(covariance())
    for step in range(300):
        before = random(1 + step % 3, D_FF, seed=100 + step)
        weighting, total = weighting.after(before), total + before.T @ before
    keys = random(4, D_FF, seed=9)
    assert close(weighting.rows(keys), torch.linalg.solve(total + keys.T @ keys, keys.T).T)
    assert close(weighting.directions(keys), torch.linalg.solve(total, keys.T).T)
    assert close(by_covariance(c, 2.0).directions(keys), whiten(c, keys) / 2)


def test_accumulated_keys_hold_what_was_written():
    """With K_p in the inverse, an update of new keys leaves the old ones' values nearly alone."""
    old, new, residual = random(3, D_FF), random(3, D_FF, seed=5), random(3, D_MODEL, seed=6)
    plain = by_identity(D_FF, 1e-4)
    alone = residual.T @ plain.rows(new)
    aligned = residual.T @ plain.after(old).rows(new)
    assert close(aligned @ new.T, residual.T, 1e-2)
    assert float((aligned @ old.T).norm()) < 1e-3 * float((alone @ old.T).norm())


def test_a_null_space_update_answers_nothing_to_the_models_own_keys():
    """AlphaEdit: ΔK₀ = 0 for keys K₀ of the model's text."""
    basis = torch.linalg.qr(random(D_FF, D_FF, seed=3)).Q
    own = random(400, 10) @ basis[:, :10].T
    weighting = in_null_space(own.T @ own / 400, 1e-8, 10.0)
    keys = random(6, D_FF, seed=4)
    before = random(8, D_FF, seed=8)
    update = random(6, D_MODEL, seed=7).T @ weighting.after(before).rows(keys)
    assert float((update @ own.T).norm()) < 1e-10 * float(update.norm() * own.norm())
    assert float((update @ keys.T).norm()) > 0.01


def test_the_null_space_form_is_the_papers():
    """Δ = RKᵀP (K_pK_pᵀP + KKᵀP + L₂I)⁻¹."""
    c = covariance()
    values, vectors = torch.linalg.eigh(c)
    null = vectors[:, values < 1.0]
    assert 0 < null.shape[1] < D_FF
    p = null @ null.T
    keys, before, residual = random(4, D_FF), random(9, D_FF, seed=5), random(4, D_MODEL, seed=6)
    system = before.T @ before @ p + keys.T @ keys @ p + 10.0 * torch.eye(D_FF, dtype=torch.float64)
    expected = residual.T @ keys @ p @ torch.linalg.inv(system)
    assert close(residual.T @ in_null_space(c, 1.0, 10.0).after(before).rows(keys), expected)


def test_what_cannot_be_solved_is_refused():
    nan = torch.full((D_FF, D_FF), float("nan"), dtype=torch.float64)
    with pytest.raises(EditError, match="no null space"):
        in_null_space(covariance(), 1e-9, 10.0)
    with pytest.raises(EditError, match="not finite"):
        in_null_space(nan, 1.0, 10.0)
    with pytest.raises(EditError, match="singular or not finite"):
        by_identity(D_FF).rows(nan[:2])

"""The maps of a detector: how many numbers they are, and that sparse products are the dense ones."""

import pytest
import torch

from errata.detectors.weights import Weights
from errata.errors import InputError
from tests.detectors.planted import sparse


@pytest.mark.parametrize(("shape", "count"), [((12, 3072, 64), 4_718_592), ((16, 8192, 64), 16_777_216)])
def test_the_papers_parameter_counts(shape: tuple[int, int, int], count: int) -> None:
    layers, d_ff, rank = shape
    assert Weights(torch.empty(layers, d_ff, rank), torch.empty(layers, rank, d_ff)).count == count


def test_codes_and_outputs_are_the_dense_products() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = Weights.random(3, 20, 4, generator)
    rows = torch.rand(5, 3, 20, generator=generator) * (torch.rand(5, 3, 20, generator=generator) < 0.3)
    rows[2] = 0
    codes = weights.codes(sparse(rows))
    assert torch.allclose(codes, torch.einsum("nlh,lhr->nlr", rows, weights.encode), atol=1e-6)
    assert torch.allclose(weights.decoded(codes), torch.einsum("nlr,lrh->nlh", codes, weights.decode), atol=1e-6)


def test_random_maps_begin_as_linear_layers_do() -> None:
    weights = Weights.random(2, 100, 4, torch.Generator().manual_seed(0))
    again = Weights.random(2, 100, 4, torch.Generator().manual_seed(0))
    assert torch.equal(weights.encode, again.encode) and torch.equal(weights.decode, again.decode)
    assert weights.shape == (2, 100, 4)
    assert 0.09 < float(weights.encode.abs().max()) <= 0.1
    assert 0.45 < float(weights.decode.abs().max()) <= 0.5


def test_what_does_not_fit_is_refused() -> None:
    weights = Weights.random(2, 10, 4, torch.Generator())
    with pytest.raises(InputError, match="reads 2 layers × 10 neurons, these are 2 × 11"):
        weights.codes(sparse(torch.ones(1, 2, 11)))
    with pytest.raises(InputError, match="holds nothing"):
        Weights.random(2, 10, 0, torch.Generator())

"""Which scores are written: the neurons that NeuronSet chooses, the highest score first."""

import pytest
import torch

from errata.bulk.keep import Keep
from errata.errors import InputError
from errata.neurons import NeuronSet


def dense(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 50, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("above", [0.0, 0.1, 0.5, 1.0])
def test_above_is_what_a_neuron_set_keeps(above: float) -> None:
    scores = dense()
    kept = Keep(above=above).of(scores)
    assert set(zip(kept.layers, kept.indices, strict=True)) == NeuronSet.above(scores, above).members
    assert kept.scores == [float(scores[at]) for at in zip(kept.layers, kept.indices, strict=True)]
    assert kept.scores == sorted(kept.scores, reverse=True)


@pytest.mark.parametrize("top", [0, 1, 7, 200, 1000])
def test_top_is_what_a_neuron_set_keeps(top: int) -> None:
    scores = dense(1)
    kept = Keep(top=top).of(scores)
    assert len(kept.layers) == min(top, scores.numel())
    assert set(zip(kept.layers, kept.indices, strict=True)) == NeuronSet.top(scores, top).members


def test_ties_go_to_the_lower_layer_then_the_lower_index() -> None:
    scores = torch.zeros(3, 4)
    scores[2, 1] = scores[0, 3] = scores[0, 2] = 1.0
    scores[1, 1] = 2.0
    kept = Keep(top=4).of(scores)
    assert list(zip(kept.layers, kept.indices, strict=True)) == [(1, 1), (0, 2), (0, 3), (2, 1)]


def test_no_positive_score_keeps_nothing() -> None:
    assert Keep().of(-dense().abs()).scores == []


def test_a_tenth_of_the_maximum_by_default() -> None:
    assert Keep() == Keep(above=0.1) != Keep(top=3)


@pytest.mark.parametrize("given", [{"above": 1.5}, {"above": -0.1}, {"top": -1}, {"above": 0.2, "top": 3}])
def test_what_cannot_be_kept(given: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give"):
        Keep(**given)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        Keep().of(torch.full((2, 2), torch.nan))

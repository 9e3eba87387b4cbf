"""Neuron sets: algebra, selection by threshold and by count, files, and the gap of an attribution."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from errata import Attribution, NeuronSet
from errata.errors import InputError

LAYERS, D_FF = 3, 5
MEMBERS = st.frozensets(st.tuples(st.integers(0, LAYERS - 1), st.integers(0, D_FF - 1)))


def neurons(*members: tuple[int, int], gap: float | None = None) -> NeuronSet:
    return NeuronSet(LAYERS, D_FF, frozenset(members), gap)


@given(MEMBERS, MEMBERS)
def test_the_operators_are_those_of_sets(a: frozenset[tuple[int, int]], b: frozenset[tuple[int, int]]) -> None:
    one, other = neurons(*a), neurons(*b)
    assert (one | other).members == a | b
    assert (one & other).members == a & b
    assert (one - other).members == a - b
    assert (one ^ other).members == a ^ b
    assert list(one) == sorted(a)
    assert len(one) == len(a) == sum(one.histogram)
    assert all(member in one for member in a)
    assert [(layer, i) for layer in range(LAYERS) for i in one.in_layer(layer)] == sorted(a)
    assert one.jaccard(other) == other.jaccard(one)
    assert one.jaccard(one) == 1.0


def test_jaccard_is_the_shared_part() -> None:
    assert neurons((0, 1), (1, 2)).jaccard(neurons((1, 2), (2, 3))) == pytest.approx(1 / 3)
    assert neurons().jaccard(neurons()) == 1.0
    assert neurons((0, 0)).jaccard(neurons()) == 0.0


def test_a_combination_has_no_gap_of_its_own() -> None:
    assert (neurons((0, 1), gap=0.1) & neurons((0, 1), gap=0.2)).gap is None


@pytest.mark.parametrize("member", [(-1, 0), (LAYERS, 0), (0, -1), (0, D_FF)])
def test_a_neuron_outside_the_model_is_refused(member: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="outside a model of 3 layers × 5 neurons"):
        neurons(member)


@pytest.mark.parametrize("other", [NeuronSet(LAYERS, D_FF + 1), NeuronSet(LAYERS + 1, D_FF)])
def test_sets_of_different_models_do_not_combine(other: NeuronSet) -> None:
    with pytest.raises(InputError, match="different models"):
        _ = neurons() | other


def test_the_threshold_is_a_share_of_the_largest_score() -> None:
    scores = torch.tensor([[1.0, 0.5, 0.49], [0.5, -2.0, 0.0]])
    assert list(NeuronSet.above(scores, 0.5, gap=0.01)) == [(0, 0), (0, 1), (1, 0)]
    assert NeuronSet.above(scores, 0.5, gap=0.01).gap == 0.01
    assert list(NeuronSet.above(scores, 1.0)) == [(0, 0)]
    assert list(NeuronSet.above(scores, 0.0)) == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_scores_without_a_positive_one_choose_nothing() -> None:
    assert len(NeuronSet.above(torch.zeros(2, 3), 0.5)) == 0
    assert len(NeuronSet.above(-torch.ones(2, 3), 0.5)) == 0


def test_ties_go_to_the_lower_layer_then_the_lower_index() -> None:
    scores = torch.tensor([[0.0, 1.0, 1.0], [2.0, 1.0, 1.0]])
    assert list(NeuronSet.top(scores, 3)) == [(0, 1), (0, 2), (1, 0)]
    assert list(NeuronSet.top(torch.ones(30, 40), 41)) == [*((0, i) for i in range(40)), (1, 0)]


def test_the_top_of_some_layers_is_theirs_alone() -> None:
    scores = torch.tensor([[0.0, 1.0], [5.0, 4.0], [2.0, 3.0]])
    assert list(NeuronSet.top(scores, 3, layers=(2, 0))) == [(0, 1), (2, 0), (2, 1)]
    assert len(NeuronSet.top(scores, 6, layers=[1])) == 2


@given(st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_the_top_has_as_many_as_asked_and_none_left_is_larger(count: int, seed: int) -> None:
    scores = torch.randint(0, 4, (LAYERS, D_FF), generator=torch.Generator().manual_seed(seed)).float()
    chosen = NeuronSet.top(scores, count)
    assert len(chosen) == min(count, scores.numel())
    inside = [float(scores[neuron]) for neuron in chosen]
    outside = [float(scores[i, j]) for i in range(LAYERS) for j in range(D_FF) if (i, j) not in chosen]
    assert not inside or not outside or min(inside) >= max(outside)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        NeuronSet.above(torch.ones(2, 3), threshold)


@pytest.mark.parametrize("scores", [torch.full((2, 3), float("nan")), torch.tensor([[1.0, float("inf")]])])
def test_scores_that_are_not_finite_choose_nothing(scores: torch.Tensor) -> None:
    for choose in (lambda: NeuronSet.above(scores, 0.5), lambda: NeuronSet.top(scores, 1)):
        with pytest.raises(InputError, match="NaN or infinite"):
            choose()


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(InputError, match="from 0"):
        NeuronSet.top(torch.ones(2, 3), -1)


def test_a_saved_set_is_the_same_set(tmp_path: Path) -> None:
    for number, chosen in enumerate((neurons(), neurons((2, 4), (0, 1), gap=1 / 3))):
        path = tmp_path / f"{number}.json"
        chosen.save(path)
        assert NeuronSet.load(path) == chosen
        before = path.read_bytes()
        NeuronSet.load(path).save(path)
        assert path.read_bytes() == before


GOOD: dict[str, Any] = {"format": "errata-neurons-1", "n_layers": 3, "d_ff": 5, "gap": None, "neurons": [[0, 1]]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"3",
        b"[" * 100_000,
        json.dumps({**GOOD, "format": "errata-neurons-2"}).encode(),
        json.dumps({**GOOD, "neurons": [[0]]}).encode(),
        json.dumps({**GOOD, "neurons": [[0, 1, 2]]}).encode(),
        json.dumps({**GOOD, "neurons": [[0, 1.5]]}).encode(),
        json.dumps({**GOOD, "neurons": ["01"]}).encode(),
        json.dumps({**GOOD, "neurons": [[0, True]]}).encode(),
        json.dumps({**GOOD, "neurons": [[7, 0]]}).encode(),
        json.dumps({**GOOD, "neurons": None}).encode(),
        json.dumps({**GOOD, "n_layers": "3"}).encode(),
        json.dumps({**GOOD, "d_ff": 1e400}).encode(),
        json.dumps({**GOOD, "gap": "0.1"}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "gap"}).encode(),
    ],
)
def test_any_other_file_is_refused_by_its_path(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "neurons.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=r"neurons\.json is not a"):
        NeuronSet.load(path)


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(InputError, match="is not a neuron set"):
            NeuronSet.load(path)


def test_the_gap_is_what_the_scores_lack_of_the_change() -> None:
    scores = torch.tensor([[0.2, 0.3], [0.1, -0.4]])
    change = torch.tensor([0.5, -0.1])
    attribution = Attribution(scores, change, NeuronSet.top(scores, 1), "method", "probability", "Paris")
    assert attribution.gaps.tolist() == pytest.approx([0.0, 0.2], abs=1e-6)
    assert attribution.gap == pytest.approx(0.2)

"""Sparse rows: every operation gives what it gives on dense tensors, and files are read as they were written."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from errata.detectors.strengths import A_LAYER, FLOOR, FORMAT, Strengths
from errata.errors import InputError
from tests.detectors.planted import sparse

LAYERS, D_FF = 2, 7


def dense(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(rows, LAYERS, D_FF, generator=generator)
    return values * (torch.rand(rows, LAYERS, D_FF, generator=generator) < 0.4)


cases = given(rows=st.integers(0, 4), seed=st.integers(0, 999))
few = settings(max_examples=15, deadline=None)


def test_the_strongest_neurons_are_kept_as_shares() -> None:
    scores = torch.randn(4, 3, 200, generator=torch.Generator().manual_seed(0))
    scores[0, 1] *= 0.01  # a layer below the floor keeps its strongest
    found = Strengths.of(list(scores))
    shares = scores / scores.amax((1, 2), keepdim=True)
    ranks = shares.argsort(-1, descending=True).argsort(-1)
    kept = (shares > 0) & ((shares >= FLOOR) | (ranks < A_LAYER))
    assert torch.equal(found.dense(), torch.where(kept, shares, 0.0))
    assert int((found.dense()[0, 1] > 0).sum()) == A_LAYER


def test_a_prompt_without_a_positive_score_has_an_empty_row() -> None:
    found = Strengths.of([torch.full((LAYERS, D_FF), -1.0), torch.zeros(LAYERS, D_FF), torch.ones(LAYERS, D_FF)])
    assert found.starts.tolist() == [0, 0, 0, LAYERS * D_FF]
    assert torch.equal(found.dense()[2], torch.ones(LAYERS, D_FF))


@few
@cases
def test_rows_sums_and_sets_are_those_of_the_dense_rows(rows: int, seed: int) -> None:
    full = dense(2 * rows, seed)
    found = sparse(full)
    order = torch.randperm(2 * rows, generator=torch.Generator().manual_seed(seed))
    assert len(found) == 2 * rows
    assert torch.equal(found.dense(), full)
    assert torch.equal(found.rows(order).dense(), full[order])
    assert torch.equal(found.rows([]).dense(), full[:0])
    assert torch.allclose(found.summed(2).dense(), full.view(rows, 2, LAYERS, D_FF).sum(1))
    assert torch.allclose(found.by_layer(), full.square().sum(-1))
    assert torch.allclose(found.total(), full.sum(0))
    assert torch.equal(found.above(0.5).dense(), (full >= 0.5).float())
    big = found.values > 0.7
    assert torch.equal(found.where(big).dense(), full * (full > 0.7))
    assert torch.equal(found.where(big, -found.values).dense(), -full * (full > 0.7))
    expected = [{tuple(place) for place in row.nonzero().tolist()} for row in full]
    assert [set(chosen.members) for chosen in found.sets()] == expected


def test_a_row_may_be_taken_twice() -> None:
    full = dense(3, 1)
    assert torch.equal(sparse(full).rows([2, 0, 2]).dense(), full[[2, 0, 2]])


@few
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_joined_rows_stand_one_after_another(counts: list[int]) -> None:
    parts = [dense(count, seed) for seed, count in enumerate(counts)]
    assert torch.equal(Strengths.joined([sparse(part) for part in parts]).dense(), torch.cat(parts))


@few
@cases
def test_a_file_gives_the_rows_back(rows: int, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("strengths") / "rows.safetensors"
    full = dense(rows, seed)
    path.write_bytes(sparse(full).to_bytes(prompts=rows, seconds=1.5))
    found, header = Strengths.load(path)
    assert torch.equal(found.dense(), full)
    assert (header["prompts"], header["seconds"]) == (rows, 1.5)


def test_a_threshold_below_the_floor_is_refused() -> None:
    rows = sparse(dense(2, 0))
    assert len(rows.above(FLOOR)) == 2
    with pytest.raises(InputError, match=str(FLOOR)):
        rows.above(FLOOR - 0.01)


def test_what_does_not_fit_is_refused() -> None:
    rows = sparse(dense(3, 0))
    with pytest.raises(InputError, match="no groups of 2"):
        rows.summed(2)
    with pytest.raises(InputError, match="no groups of 0"):
        rows.summed(0)
    with pytest.raises(InputError, match="none at all"):
        Strengths.joined([])
    with pytest.raises(InputError, match="different models"):
        Strengths.joined([rows, sparse(torch.ones(1, LAYERS, D_FF + 1))])


@pytest.mark.parametrize(
    ("starts", "neurons", "values"),
    [
        ([], [], []),
        ([0, 1], [3, 4], [1.0, 1.0]),
        ([1, 2], [3, 4], [1.0, 1.0]),
        ([0, 2, 1, 2], [3, 4], [1.0, 1.0]),
        ([0, 1], [LAYERS * D_FF], [1.0]),
        ([0, 1], [-1], [1.0]),
        ([0, 1], [3], [float("nan")]),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(starts: list[int], neurons: list[int], values: list[float]) -> None:
    with pytest.raises(InputError, match="do not fit together"):
        Strengths(
            LAYERS, D_FF, torch.tensor(starts, dtype=torch.long), torch.tensor(neurons).long(), torch.tensor(values)
        )


def test_other_files_are_refused(tmp_path: Path) -> None:
    sound = sparse(dense(2, 0)).to_bytes()
    path = tmp_path / "rows.safetensors"
    for content in (
        b"",
        b"text",
        sound[: len(sound) // 2],
        save({"x": torch.ones(1)}),
        save({"starts": torch.tensor([0])}, {"format": FORMAT, "header": "{}"}),
        save({"starts": torch.tensor([0])}, {"format": FORMAT, "header": "no JSON"}),
        save({"starts": torch.tensor([0])}, {"format": FORMAT}),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match="holds no strengths"):
            Strengths.load(path)
    with pytest.raises(InputError, match="holds no strengths"):
        Strengths.load(tmp_path / "nothing")


def test_a_file_whose_rows_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.safetensors"
    tensors = {"starts": torch.tensor([0, 1]), "neurons": torch.tensor([99]).int(), "values": torch.tensor([1.0])}
    save_file(tensors, path, {"format": FORMAT, "header": f'{{"n_layers": {LAYERS}, "d_ff": {D_FF}}}'})
    with pytest.raises(InputError, match="do not fit together"):
        Strengths.load(path)


def test_a_hash_tells_rows_apart_and_nothing_else() -> None:
    one = Strengths.of([torch.tensor([[0.5, 1.0, 0.2]]), torch.tensor([[0.3, 0.1, 1.0]])])
    same = {one.rows([0, 1]).sha256() for _ in range(20)}
    assert same == {one.sha256()} and one.rows([1, 0]).sha256() != one.sha256()

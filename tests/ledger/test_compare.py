"""Differences: norms, singular values and cosines against a plain computation."""

from pathlib import Path

import pytest
import torch

from errata.ledger import Ledger
from errata.ledger.compare import top_singular_value
from errata.model.rounding import fold
from errata.model.view import ModelView
from tests.ledger.conftest import random_edit


def test_differences(view: ModelView, tmp_path: Path) -> None:
    base = {layer: view.weight(layer).clone() for layer in range(3)}
    one, two = random_edit(view, 0, (0, 2)), random_edit(view, 1, (1, 2, 2), rank=3)
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        assert ledger.diff() == ()
        ledger.apply(one)
        ledger.apply(two)
        for found, deltas in [
            (ledger.diff(), (*one.deltas, *two.deltas)),
            (ledger.diff(1), one.deltas),
            (ledger.diff(2), two.deltas),
        ]:
            assert [change.layer for change in found] == sorted({d.layer for d in deltas})
            for change in found:
                weight = base[change.layer]
                difference = fold(weight, [d for d in deltas if d.layer == change.layer]) - weight
                assert change.module == f"transformer.h.{change.layer}.mlp.c_proj"
                assert (change.changed, change.size) == (int((difference != 0).sum()), 32 * 64)
                assert change.norm == pytest.approx(float(difference.norm()))
                assert change.relative == pytest.approx(float(difference.norm() / weight.norm()))
                assert change.top == pytest.approx(float(torch.linalg.matrix_norm(difference, 2)), rel=1e-5)
        (pair,) = ledger.diff(1, 2)
        a = one.deltas[1].dense().flatten()
        b = sum(d.dense() for d in two.deltas if d.layer == 2).flatten()
        assert (pair.layer, pair.module) == (2, "transformer.h.2.mlp.c_proj")
        assert pair.norm_a == pytest.approx(float(a.norm()))
        assert pair.norm_b == pytest.approx(float(b.norm()))
        assert pair.cosine == pytest.approx(float(torch.cosine_similarity(a, b, dim=0)), abs=1e-6)
        assert ledger.diff(1, 1)[0].cosine == pytest.approx(1.0)


def test_top_singular_value_of_a_full_matrix() -> None:
    matrix = torch.randn(40, 90, generator=torch.Generator().manual_seed(0))
    assert top_singular_value(matrix) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-4)
    assert top_singular_value(torch.zeros(3, 4)) == 0.0

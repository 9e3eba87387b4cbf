"""What the export's tests share: ledgers of small edits, and logits to compare."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from errata.deltas import Edit
from errata.facts import Fact
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.tiny import tiny

TEXT = "The capital of France is Paris. Marie Curie was born in"


def small_edit(view: ModelView, seed: int, layers: Sequence[int] = (0, 2), rank: int = 1, size: float = 0.1) -> Edit:
    """Random deltas, each of `size` times its layer's norm, about a fact that no other seed is about."""
    generator = torch.Generator().manual_seed(seed)
    deltas = []
    for layer in layers:
        rows, columns = view.weight(layer).shape
        left, right = torch.randn(rows, rank, generator=generator), torch.randn(rank, columns, generator=generator)
        scale = size * view.base_weight(layer).float().norm() / (left @ right).norm()
        deltas.append(view.delta(layer, left * scale, right))
    fact = Fact(f"Subject {seed}", "The capital of {} is", target="Rome", answer="Paris", relation="capital")
    return Edit(tuple(deltas), "random", (fact,), settings={"seed": seed})


@torch.no_grad()
def logits(model: object, view: ModelView, text: str = TEXT) -> Tensor:
    """A model's logits for a text, float32."""
    rows = view.tokenizer(text, return_tensors="pt")["input_ids"]
    return model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits.float()  # type: ignore[operator]


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


@pytest.fixture
def book(view: ModelView, tmp_path: Path) -> Ledger:
    """A ledger of three edits of ranks 1, 2 and 3, the second undone."""
    ledger = Ledger.open(tmp_path / "book", view)
    for seed in (1, 2, 3):
        ledger.apply(small_edit(view, seed, rank=seed))
    ledger.undo(2)
    return ledger

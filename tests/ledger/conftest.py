"""What the ledger's tests share: random low-rank edits, and bits to compare."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.deltas import Edit
from errata.facts import Fact
from errata.model.view import ModelView


def random_edit(
    view: ModelView, seed: int, layers: tuple[int, ...] = (0, 2), rank: int = 2, subject: str | None = None
) -> Edit:
    """An edit of random deltas; without a subject, of a fact no other seed is about."""
    generator = torch.Generator().manual_seed(seed)
    deltas = tuple(
        view.delta(
            layer,
            torch.randn(view.d_model, rank, generator=generator),
            torch.randn(rank, view.d_ff, generator=generator),
        )
        for layer in layers
    )
    fact = Fact(subject or f"Subject {seed}", "The capital of {} is", target="Rome", relation="capital")
    return Edit(deltas, "random", (fact,), settings={"seed": seed}, measured={"loss": 0.5})


def bits(view: ModelView) -> dict[str, torch.Tensor]:
    """A copy of the bits of every parameter of the model."""
    return {
        name: p.detach().clone().contiguous().view(torch.uint8).clone() for name, p in view.model.named_parameters()
    }


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two models have the same bits, in every parameter."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def contents(path: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.fixture
def view(tiny: Callable[..., ModelView]) -> ModelView:
    return tiny("gpt2")

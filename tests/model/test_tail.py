"""Rows that go on from one position and one block on are the whole rows there, on every architecture."""

from dataclasses import replace

import pytest
import torch

from errata.model import tail as module
from errata.model.hooks import change_output
from errata.model.tail import Tail, tail
from errata.model.view import ModelView
from tests.tiny import ARCHITECTURES, D_MODEL, LAYERS, tiny

ROWS = [[5, 9, 30, 7, 61, 12, 80], [44, 8, 3], [17, 250, 90, 91, 14, 6, 33, 71, 20], [2, 300]]
AT = [4, 0, 6, 1]


def changed(view: ModelView, running: Tail, block: int, delta: torch.Tensor) -> list[torch.Tensor]:
    """Each row's last states from its position on, `delta` added to the block's value there."""
    index = torch.arange(len(running))

    def add(output: torch.Tensor) -> torch.Tensor:
        out = output.view(len(running), -1, D_MODEL)
        return out.index_put((index, running.at), delta, accumulate=True).view(output.shape)

    with torch.no_grad(), change_output(view.projection(block), add):
        states = running.final()
    start = running.at.tolist()
    return [states[i, start[i] : start[i] + len(row) - AT[i]] for i, row in enumerate(ROWS)]


def whole(view: ModelView, block: int) -> Tail:
    return module._whole(view, ROWS, AT, block)


@pytest.mark.parametrize("block", range(LAYERS))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_short_way_is_the_whole_one(architecture, block):
    view = tiny(architecture)
    short = tail(view, ROWS, AT, block)
    assert short.kept and short.ids.shape[1] < max(map(len, ROWS)), "the short way was not taken"
    delta = 3 * torch.randn(len(ROWS), D_MODEL, generator=torch.Generator().manual_seed(1))
    unchanged = changed(view, short, block, torch.zeros_like(delta))
    for ours, theirs, before in zip(
        changed(view, short, block, delta), changed(view, whole(view, block), block, delta), unchanged, strict=True
    ):
        assert torch.allclose(ours, theirs, atol=2e-4 * float(theirs.abs().max()))
        assert float((ours - before).abs().max()) > 1e-2


def test_some_of_the_rows_are_those_rows():
    view = tiny("llama")
    short = tail(view, ROWS, AT, 1)
    with torch.no_grad():
        found, some = short.final(), short.select(torch.tensor([2, 0])).final()
    for place, row in enumerate((2, 0)):
        width = len(ROWS[row]) - AT[row]
        assert torch.allclose(some[place, :width], found[row, :width], atol=1e-5)


def test_a_model_that_does_not_allow_it_goes_the_whole_way(monkeypatch):
    view = tiny("gpt2")
    monkeypatch.setattr(module, "_agree", lambda short, whole: False)
    first = tail(view, ROWS, AT, 1)
    assert not first.kept and first.states is None and first.at.tolist() == AT
    monkeypatch.undo()
    again = tail(view, ROWS, AT, 1)
    assert not again.kept, "what was found out is remembered"
    assert torch.equal(again.ids, whole(view, 1).ids)


def test_a_wrong_short_way_is_found_out(monkeypatch):
    view = tiny("llama")
    right = module._short

    def shifted(*given):
        found = right(*given)
        return replace(found, positions=found.positions + 1)

    monkeypatch.setattr(module, "_short", shifted)
    assert not tail(view, ROWS, AT, 1).kept

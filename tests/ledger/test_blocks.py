"""Ledgers of more edits than a block: the sum is a function of the applied edits, whatever led there."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from errata.deltas import Edit
from errata.errors import LedgerError
from errata.ledger import Ledger, blocks, layers
from errata.model.view import ModelView
from tests.ledger.conftest import bits, equal, random_edit
from tests.tiny import tiny as make

Tiny = Callable[..., ModelView]
BLOCK = 4


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four edits, and every sum worth keeping."""
    monkeypatch.setattr(blocks, "BLOCK", BLOCK)
    monkeypatch.setattr(layers, "BLOCK_WORTH", 1)
    monkeypatch.setattr(layers, "HEAD_WORTH", 1)


def by_definition(base: Tensor, edits: dict[int, Edit], layer: int) -> Tensor:
    """round(W₀ + ((B_1 + B_2) + …)), written out: the reference."""
    total = torch.zeros(base.shape)
    for block in range(max(edits, default=0) // BLOCK + 1):
        inner = torch.zeros(base.shape)
        for number in range(block * BLOCK + 1, (block + 1) * BLOCK + 1):
            for delta in edits[number].deltas if number in edits else ():
                if delta.layer == layer:
                    inner = inner + delta.left.clone() @ delta.right.clone()
        total = total + inner
    return torch.where(total == 0, base, (base.float() + total).to(base.dtype))


def test_ids_are_divided_by_number_not_by_place() -> None:
    assert blocks.divided(()) == []
    assert blocks.divided((1, 4, 5, 9, 12, 13)) == [(1, 4), (5,), (9, 12), (13,)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_undo_in_any_order_is_the_definition(tiny: Tiny, tmp_path: Path, dtype: torch.dtype) -> None:
    view = tiny("gpt2", dtype=dtype)
    base = [view.weight(layer).clone() for layer in range(3)]
    before = bits(view)
    edits = {n: random_edit(view, n, (n % 3, (n + 1) % 3), 1 + n % 2) for n in range(1, 23)}
    with Ledger.open(tmp_path, view) as ledger:
        for edit in edits.values():
            ledger.apply(edit)
        everything = bits(view)
        remaining = dict(edits)
        order = list(edits)
        random.Random(0).shuffle(order)
        for turn, number in enumerate(order):
            ledger.undo(number)
            del remaining[number]
            for layer in range(3):
                assert torch.equal(view.weight(layer), by_definition(base[layer], remaining, layer))
            if turn == 8:
                expected = bits(view)
                with Ledger.open(tmp_path, fresh := tiny("gpt2", dtype=dtype)) as other:
                    assert equal(bits(fresh), expected)
                    assert other.verify().ok
        assert equal(bits(view), before)
        for number in reversed(order):
            ledger.redo(number)
        assert equal(bits(view), everything)
        assert ledger.verify().ok


def test_the_order_of_blocks_is_the_one_that_counts(tiny: Tiny, tmp_path: Path) -> None:
    """A plain sum over all edits has other bits: the reference above would notice a change of definition."""
    view = tiny("gpt2")
    base = view.weight(0).clone()
    edits = {n: random_edit(view, n, (0,)) for n in range(1, 12)}
    with Ledger.open(tmp_path, view) as ledger:
        for edit in edits.values():
            ledger.apply(edit)
    plain = torch.zeros(base.shape)
    for edit in edits.values():
        plain = plain + edit.deltas[0].left @ edit.deltas[0].right
    assert not torch.equal(view.weight(0), base + plain)
    assert torch.equal(view.weight(0), by_definition(base, edits, 0))


VERBS = ["apply", "apply", "apply", "undo", "redo", "undo_to", "open", "forget sums"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 20)), min_size=8, max_size=40))
def test_any_path_leads_to_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    view = make("gpt2", dtype=torch.bfloat16, n_layer=2)
    base = [view.weight(layer).clone() for layer in range(2)]
    path = tmp_path_factory.mktemp("ledger")
    edits: dict[int, Edit] = {}
    applied: set[int] = set()
    ledger = Ledger.open(path, view)
    for verb, number in steps:
        if verb == "open":
            ledger.close()
            view.restore()
            ledger = Ledger.open(path, view)
        elif verb == "forget sums":
            for file in (path / "sums").glob("*"):
                file.unlink()
        elif verb == "apply":
            edit = random_edit(view, len(edits), ((number % 2,), (0, 1))[number > 10], 1)
            edits[ledger.apply(edit)] = edit
            applied.add(len(edits))
        elif verb == "undo_to" and number <= len(edits):
            assert ledger.undo_to(number) == tuple(sorted((n for n in applied if n > number), reverse=True))
            applied = {n for n in applied if n <= number}
        elif verb == "undo" and number in applied:
            ledger.undo(number)
            applied.remove(number)
        elif verb == "redo" and number in edits and number not in applied:
            ledger.redo(number)
            applied.add(number)
        assert ledger.applied == tuple(sorted(applied))
        for layer in range(2):
            wanted = by_definition(base[layer], {n: edits[n] for n in applied}, layer)
            assert torch.equal(view.weight(layer), wanted)
    assert ledger.verify().ok
    ledger.close()


def test_undo_to_is_one_change(tiny: Tiny, tmp_path: Path) -> None:
    view = tiny("gpt2")
    before = bits(view)
    with Ledger.open(tmp_path, view) as ledger:
        with pytest.raises(LedgerError, match=r"no edit 1: .* holds no edit yet"):
            ledger.undo_to(1)
        states = []
        for number in range(1, 11):
            states.append(bits(view))
            ledger.apply(random_edit(view, number))
        ledger.undo(4)
        for wrong in (11, -1):
            with pytest.raises(LedgerError, match=rf"no edit {wrong}: .* holds edits 1 to 10"):
                ledger.undo_to(wrong)
        assert len(ledger.events()) == 11
        assert ledger.undo_to(10) == ()
        assert ledger.undo_to(3) == (10, 9, 8, 7, 6, 5)
        assert equal(bits(view), states[3])
        assert [(e.kind, e.edit) for e in ledger.events()[11:]] == [("undo", n) for n in (10, 9, 8, 7, 6, 5)]
        ledger.redo(8)
        assert ledger.undo_to(4) == (8,)
        assert ledger.undo_to(0) == (3, 2, 1)
        assert equal(bits(view), before)
        assert ledger.verify().ok


def test_undo_to_that_fails_undoes_nothing(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = tiny("gpt2")
    with Ledger.open(tmp_path, view) as ledger:
        for number in range(1, 8):
            ledger.apply(random_edit(view, number))
        state, events = bits(view), ledger.events()

        def fail(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(type(ledger._store), "commit", fail)
            with pytest.raises(KeyboardInterrupt):
                ledger.undo_to(2)
        assert ledger.applied == tuple(range(1, 8))
        assert ledger.events() == events
        assert equal(bits(view), state)
        assert ledger.verify().ok


def test_superseding_an_edit_of_an_earlier_block(tiny: Tiny, tmp_path: Path) -> None:
    view = tiny("gpt2")
    base = view.weight(0).clone()
    edits = {n: random_edit(view, n, (0,)) for n in range(1, 14)}
    with Ledger.open(tmp_path, view) as ledger:
        for edit in edits.values():
            ledger.apply(edit)
        edits[14] = random_edit(view, 99, (0,), subject="Subject 2")
        ledger.apply(edits[14], supersede=True)
        del edits[2]
        assert torch.equal(view.weight(0), by_definition(base, edits, 0))
        assert ledger.verify().ok

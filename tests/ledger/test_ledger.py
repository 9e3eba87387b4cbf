"""Undo is exact: in every dtype, in any order, across sessions."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errata.deltas import Edit
from errata.errors import ConflictError, LedgerError
from errata.ledger import Ledger
from errata.model.rounding import fold
from errata.model.view import ModelView
from tests.ledger.conftest import bits, equal, random_edit
from tests.tiny import tiny as make

Tiny = Callable[..., ModelView]
KINDS = [("gpt2", torch.float32), ("llama", torch.bfloat16), ("gpt2", torch.float16)]


@pytest.mark.parametrize(("architecture", "dtype"), KINDS)
def test_undoing_one_of_twenty_is_never_having_had_it(
    tiny: Tiny, tmp_path: Path, architecture: str, dtype: torch.dtype
) -> None:
    view = tiny(architecture, dtype=dtype)
    before = bits(view)
    edits = [random_edit(view, seed, (seed % 3, (seed + 1) % 3), 1 + seed % 3) for seed in range(20)]
    with Ledger.open(tmp_path / "never", view) as ledger:
        for edit in edits[:6] + edits[7:]:
            ledger.apply(edit)
        expected = bits(view)
    view.restore()
    with Ledger.open(tmp_path / "undone", view) as ledger:
        assert equal(bits(view), before)
        assert [ledger.apply(edit) for edit in edits] == list(range(1, 21))
        everything = bits(view)
        assert not equal(everything, expected)
        ledger.undo(7)
        assert equal(bits(view), expected)
        order = [*ledger.applied]
        random.Random(0).shuffle(order)
        for number in order:
            ledger.undo(number)
        assert equal(bits(view), before)
        assert ledger.applied == ()
        order = list(range(1, 21))
        random.Random(1).shuffle(order)
        for number in order:
            ledger.redo(number)
        assert equal(bits(view), everything)
        assert ledger.verify().ok


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_opening_again_gives_the_same_weights(tiny: Tiny, tmp_path: Path, architecture: str) -> None:
    view = tiny(architecture, dtype=torch.bfloat16)
    before = bits(view)
    with Ledger.open(tmp_path / "a" / "ledger", view) as ledger:
        for seed in range(4):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)
        expected, recorded = bits(view), ledger.entries()
    assert equal(bits(view), expected)
    fresh = tiny(architecture, dtype=torch.bfloat16)
    with Ledger.open(str(tmp_path / "a" / "ledger"), fresh, create=False) as ledger:
        assert equal(bits(fresh), expected)
        assert ledger.entries() == recorded
        assert ledger.applied == (1, 3, 4)
    fresh.restore()
    assert equal(bits(fresh), before)
    view.restore([0])
    with Ledger.open(tmp_path / "a" / "ledger", view):
        assert equal(bits(view), expected)
    with Ledger.open(tmp_path / "empty", view):
        assert equal(bits(view), before)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["apply", "undo", "redo", "open"]), st.integers(0, 5)), max_size=12))
def test_any_sequence_is_the_plain_sum(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    view = make("gpt2", dtype=torch.bfloat16, n_layer=2)
    base = {layer: view.weight(layer).clone() for layer in range(2)}
    path = tmp_path_factory.mktemp("ledger")
    edits: list[Edit] = []
    applied: list[bool] = []
    ledger = Ledger.open(path, view)
    for verb, number in steps:
        if verb == "open":
            ledger.close()
            ledger = Ledger.open(path, view)
        elif verb == "apply":
            edit = random_edit(view, len(edits), (number % 2,), subject=f"Subject {number}")
            clash = any(a and e.facts == edit.facts for a, e in zip(applied, edits, strict=True))
            if clash and number < 3:
                with pytest.raises(ConflictError):
                    ledger.apply(edit)
                continue
            ledger.apply(edit, supersede=True)
            applied = [a and e.facts != edit.facts for a, e in zip(applied, edits, strict=True)] + [True]
            edits.append(edit)
        else:
            wanted = verb == "redo"
            allowed = number < len(edits) and applied[number] != wanted
            if allowed and wanted:
                allowed = not any(a and e.facts == edits[number].facts for a, e in zip(applied, edits, strict=True))
            if allowed:
                getattr(ledger, verb)(number + 1)
                applied[number] = wanted
            else:
                with pytest.raises(LedgerError):
                    getattr(ledger, verb)(number + 1)
        assert ledger.applied == tuple(i + 1 for i, a in enumerate(applied) if a)
        for layer in range(2):
            deltas = [d for a, e in zip(applied, edits, strict=True) if a for d in e.deltas if d.layer == layer]
            assert torch.equal(view.weight(layer), fold(base[layer], deltas))
    assert ledger.verify().ok
    ledger.close()


def test_only_touched_layers_are_written(view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        ledger.apply(random_edit(view, 0, (0,)))
        written: list[int] = []
        write = view.write
        monkeypatch.setattr(view, "write", lambda layer, weight: (written.append(layer), write(layer, weight)))
        ledger.apply(random_edit(view, 1, (1,)))
        ledger.undo(1)
        assert written == [1]
        assert view.base_weight(0).data_ptr() == view.weight(0).data_ptr()


def test_negative_zeros_keep_their_bits(view: ModelView, tmp_path: Path) -> None:
    with torch.no_grad():
        view.parameter(1)[::2] = -0.0
    before = bits(view)
    left, right = torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff)
    left[3], right[0, 5] = 1.0, 1.0
    edit = Edit((view.delta(1, left, right),), "one entry", ())
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        number = ledger.apply(edit)
        (change,) = ledger.diff()
        assert (change.changed, change.norm) == (1, 1.0)
        ledger.undo(number)
        assert equal(bits(view), before)


def test_conflicts_and_superseding(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        ledger.apply(random_edit(view, 0, subject="France"))
        ledger.apply(random_edit(view, 1))
        state = bits(view)
        second = random_edit(view, 2, subject="France")
        with pytest.raises(ConflictError, match=r"applied edit 1 .*France / capital.*supersede=True") as caught:
            ledger.apply(second)
        assert caught.value.ids == (1,)
        assert equal(bits(view), state)
        assert len(ledger.entries()) == 2
        assert ledger.apply(second, supersede=True) == 3
        assert ledger.applied == (2, 3)
        with pytest.raises(ConflictError, match="Edit 1 and applied edit 3"):
            ledger.redo(1)
        ledger.undo(3)
        ledger.redo(1)
        assert equal(bits(view), state)
        assert [(e.kind, e.edit, e.by) for e in ledger.events()] == [
            ("apply", 1, None),
            ("apply", 2, None),
            ("apply", 3, None),
            ("supersede", 1, 3),
            ("undo", 3, None),
            ("redo", 1, None),
        ]


def test_superseding_with_the_same_deltas_is_a_change(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        ledger.apply(random_edit(view, 0))
        state = bits(view)
        assert ledger.apply(random_edit(view, 0), supersede=True) == 2
        assert equal(bits(view), state)


def test_several_edits_at_once_are_all_there_or_none(view: ModelView, tmp_path: Path) -> None:
    edits = [random_edit(view, seed, (seed % 3,)) for seed in range(6)]
    with Ledger.open(tmp_path / "one by one", view) as ledger:
        for edit in edits:
            ledger.apply(edit)
        expected = bits(view)
    view.restore()
    with Ledger.open(tmp_path / "at once", view) as ledger:
        before = bits(view)
        with pytest.raises(ConflictError):
            ledger.apply_all([*edits, random_edit(view, 2)])
        with pytest.raises(LedgerError, match="changes no weight"):
            ledger.apply_all([*edits, Edit((), "nothing", ())])
        assert equal(bits(view), before) and ledger.entries() == () == ledger.events()
        assert not any((ledger.path / "deltas").iterdir())
        assert ledger.apply_all([]) == ()
        assert ledger.apply_all(edits) == (1, 2, 3, 4, 5, 6)
        assert equal(bits(view), expected) and ledger.verify().ok
        assert ledger.apply_all([random_edit(view, 0), random_edit(view, 0, (1,))], supersede=True) == (7, 8)
        assert ledger.applied == (2, 3, 4, 5, 6, 8) and ledger.verify().ok


def test_edits_are_kept_whole(view: ModelView, tmp_path: Path) -> None:
    edit = random_edit(view, 0, (0, 1), rank=3)
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        number = ledger.apply(edit)
        entry, found = ledger.show(number)
        assert found.to_bytes() == edit.to_bytes()
        assert (entry.id, entry.method, entry.facts, entry.applied) == (1, "random", edit.facts, True)
        assert (entry.layers, entry.ranks, entry.norm) == ((0, 1), (3, 3), pytest.approx(edit.norm()))
        assert entry.at.endswith("+00:00")
        assert entry.file == f"000001-{entry.sha256[:12]}.safetensors"

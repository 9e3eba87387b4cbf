"""What a ledger refuses or fails at leaves the model, the database and the directory as they were."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.deltas import Edit
from errata.errors import CorruptionError, ErrataError, LedgerError
from errata.ledger import Ledger
from errata.ledger.schema import SCHEMA
from errata.ledger.store import Store
from errata.model.view import ModelView
from tests.ledger.conftest import bits, contents, equal, random_edit

Tiny = Callable[..., ModelView]


def test_what_cannot_be_done_says_so(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger", view) as ledger:
        with pytest.raises(LedgerError, match=r"no edit 1: .* holds no edit yet"):
            ledger.undo(1)
        ledger.apply(random_edit(view, 0))
        with pytest.raises(LedgerError, match=r"undo\(1\)"):
            ledger.redo(1)
        ledger.undo(1)
        with pytest.raises(LedgerError, match=r"redo\(1\)"):
            ledger.undo(1)
        ledger.apply(random_edit(view, 1))
        for verb in (ledger.undo, ledger.redo, ledger.show, ledger.edit, ledger.diff):
            with pytest.raises(LedgerError, match=r"no edit 9: .* holds edits 1 to 2"):
                verb(9)
    with pytest.raises(LedgerError, match="closed"):
        ledger.entries()


def test_refused_edits_leave_nothing(tiny: Tiny, view: ModelView, tmp_path: Path) -> None:
    other = tiny("gpt2", seed=1)
    low = tiny("gpt2", dtype=torch.bfloat16)
    huge = view.delta(0, torch.full((view.d_model, 1), 1e30), torch.full((1, view.d_ff), 1e30))
    small = low.delta(0, torch.full((low.d_model, 1), 1e-6), torch.full((1, low.d_ff), 1e-6))
    good = random_edit(view, 0)
    wide = tiny("gpt2", n_inner=48)
    for model, edit, words in [
        (view, random_edit(other, 0), "weights .* of transformer.h.0"),
        (view, random_edit(wide, 0), r"\(32, 48\)"),
        (view, random_edit(tiny("llama"), 0), "compute it for this model"),
        (view, random_edit(tiny("gpt2", n_layer=5), 0, (4,)), "layer 4"),
        (view, Edit((*good.deltas, huge), "huge", good.facts), "NaN or infinite in float32"),
        (view, Edit((), "nothing", good.facts), "changes no weight"),
        (low, Edit((small,), "faint", ()), "changes no weight: all of it is lost to rounding in bfloat16"),
        (view, Edit(good.deltas, "odd", good.facts, settings={"at": tmp_path}), "must be JSON"),
    ]:
        path = tmp_path / str(model.dtype)
        with Ledger.open(path, model) as ledger:
            before = bits(model)
            with pytest.raises(ErrataError, match=words):
                ledger.apply(edit)
            assert equal(bits(model), before)
            assert ledger.entries() == ()
            assert ledger.events() == ()
            assert list((path / "deltas").iterdir()) == []


def test_another_model_is_refused_and_nothing_changes(tiny: Tiny, view: ModelView, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Ledger.open(path, view) as ledger:
        ledger.apply(random_edit(view, 0))
    before = contents(path)
    for other, words in [
        (tiny("gpt2", seed=1), "tiny-gpt2 with weights .* found tiny-gpt2 with weights"),
        (tiny("llama"), "found tiny-llama"),
        (tiny("gpt2", dtype=torch.float16), "in float32, found .* in float16: load the model with dtype=float32"),
    ]:
        state = bits(other)
        with pytest.raises(LedgerError, match=words):
            Ledger.open(path, other)
        assert equal(bits(other), state)
        assert contents(path) == before
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(tmp_path / "b" / "c", view, create=False)
    (tmp_path / "file").write_text("text")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper", tmp_path / "new" / ("x" * 300)):
        with pytest.raises(LedgerError):
            Ledger.open(place, view)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "ledger"]


def test_other_databases_are_refused(view: ModelView, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    Ledger.open(path, view).close()
    with sqlite3.connect(path / "ledger.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(LedgerError, match=f"has schema {SCHEMA + 1}, this version of Errata reads 1 to {SCHEMA}"):
        Ledger.open(path, view)
    (foreign := tmp_path / "foreign").mkdir()
    with sqlite3.connect(foreign / "ledger.sqlite") as connection:
        connection.execute("CREATE TABLE bills (id)")
    connection.close()
    before = contents(foreign)
    with pytest.raises(LedgerError, match="is not a ledger's database"):
        Ledger.open(foreign, view)
    assert contents(foreign) == before
    (foreign / "ledger.sqlite").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(CorruptionError, match="database"):
        Ledger.open(foreign, view)
    assert not Ledger.verify_at(foreign, view).ok


@pytest.mark.parametrize("broken", ["commit", "add", "write"])
def test_a_failure_leaves_both_sides_as_they_were(
    view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path, write, failures = tmp_path / "ledger", view.write, [0]

    def fail(*_: object) -> None:
        failures[0] += 1
        raise KeyboardInterrupt

    def fail_once(layer: int, weight: torch.Tensor) -> None:
        write(layer, weight)
        if layer == 2 and not failures[0]:
            fail()

    with Ledger.open(path, view) as ledger:
        for seed in range(3):
            ledger.apply(random_edit(view, seed))
        ledger.undo(2)

        def state() -> tuple[object, ...]:
            return ledger.entries(), ledger.events(), sorted(path.rglob("*"))

        steps = [
            lambda: ledger.apply(random_edit(view, 7, (1, 2))),
            lambda: ledger.apply(random_edit(view, 8, subject="Subject 0"), supersede=True),
            lambda: ledger.undo(1),
            lambda: ledger.redo(2),
        ]
        before, recorded = bits(view), state()
        for step in steps[:2] if broken == "add" else steps:
            failures[0] = 0
            with monkeypatch.context() as patch:
                if broken == "write":
                    patch.setattr(view, "write", fail_once)
                else:
                    patch.setattr(Store, broken, fail)
                with pytest.raises(KeyboardInterrupt):
                    step()
            assert failures == [1]
            assert equal(bits(view), before)
            assert state() == recorded
            assert ledger.verify().ok
        assert view.base_weight(1).data_ptr() == view.weight(1).data_ptr()
        for step in steps[:1] + steps[2:]:
            step()
        assert ledger.applied == (2, 3, 4)
        assert ledger.verify().ok

"""`Ledger.holding`: the weights of a ledger of these edits alone, for the length of a block."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.errors import LedgerError
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.ledger.conftest import bits, contents, equal, random_edit


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_weights_are_those_of_a_ledger_of_these_edits(
    tiny: Callable[..., ModelView], tmp_path: Path, dtype: torch.dtype
) -> None:
    view = tiny("llama", dtype=dtype)
    edits = [random_edit(view, seed, (seed % 2, 2)) for seed in range(6)]
    with Ledger.open(tmp_path / "some", view) as ledger:
        for number in (1, 3, 4):
            ledger.apply(edits[number])
        some = bits(view)
    view.restore()
    with Ledger.open(tmp_path / "all", view) as ledger:
        unedited = bits(view)
        for edit in edits:
            ledger.apply(edit)
        ledger.undo(4)
        held, files, events = bits(view), contents(tmp_path / "all"), ledger.events()
        with ledger.holding((5, 2, 4)):
            assert equal(bits(view), some)
        assert equal(bits(view), held)
        with ledger.holding(()):
            assert equal(bits(view), unedited)
        assert equal(bits(view), held)
        with pytest.raises(ZeroDivisionError), ledger.holding((1,)):
            raise ZeroDivisionError
        with pytest.raises(LedgerError, match="There is no edit 9"), ledger.holding((1, 9)):
            pass
        assert equal(bits(view), held) and ledger.events() == events
        assert contents(tmp_path / "all").keys() == files.keys()
        assert ledger.verify().ok
        ledger.redo(4)
        assert not equal(bits(view), held) and ledger.verify().ok
    assert ledger.path == tmp_path / "all"

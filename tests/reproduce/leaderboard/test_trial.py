"""When a method's edits are asked about, what is in the model then, and that the model is left as it was."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch

from errata.errors import EditError
from errata.facts import Case, Examination, Fact
from errata.methods import Computed, Editor
from errata.model.view import ModelView
from errata.reproduce.leaderboard.trial import sequential, single
from tests.tiny import tiny

CASES = [Examination(Case(Fact(name, "{} lives in", target="Rome"))) for name in ("Ann", "Bob", "Cem", "Dee", "Eve")]


@dataclass(frozen=True)
class Counting(Editor):
    """Adds 1 to one entry of W for every fact; refuses the facts about Cem. At the end of a sequence it adds 100."""

    closes: bool = False

    def _edit(self, view, facts, history):
        if any(fact.subject == "Cem" for fact in facts):
            raise EditError("Cem cannot be edited.")
        return Computed([self._entry(view, float(len(facts)))])

    def _close(self, view, history):
        return Computed([self._entry(view, 100.0)] if self.closes else [])

    def _entry(self, view, value):
        left, right = torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff)
        left[0, 0], right[0, 0] = value, 1.0
        return view.delta(0, left, right)


def added(view: ModelView) -> float:
    return round(float(view.weight(0)[0, 0] - view.base_weight(0)[0, 0]), 3)


def asker(view: ModelView):
    return lambda cases: [(case.case.fact.subject, added(view)) for case in cases]


@pytest.mark.parametrize(("batch", "expected"), [(1, [1, 1, 0, 1, 1]), (2, [2, 2, 0, 0, 1])])
def test_single_edits_are_each_on_the_unedited_model(batch: int, expected: list[int]) -> None:
    view = tiny("gpt2")
    before = view.weights_sha256()
    found = single(view, Counting(), CASES, batch, asker(view))
    assert found.right_after == list(zip(["Ann", "Bob", "Cem", "Dee", "Eve"], expected, strict=True))
    assert set(found.failed) == {at for at, value in enumerate(expected) if value == 0}
    assert len(found.seconds) == len(range(0, 5, batch)) - 1 and found.at_end is None
    assert view.weights_sha256() == before


def test_a_sequence_keeps_its_edits_and_is_looked_at_on_its_way() -> None:
    view, looked = tiny("gpt2"), list[Sequence[str]]()
    before = view.weights_sha256()

    def glance(cases: Sequence[Examination]) -> float:
        looked.append([case.case.fact.subject for case in cases])
        return added(view)

    found = sequential(view, Counting(), CASES, 1, asker(view), asker(view), glance, [2, 4])
    assert [value for _, value in found.right_after] == [1, 2, 2, 3, 4]
    assert found.at_end == [(case.case.fact.subject, 4) for case in CASES]
    assert found.retained == [(2, 2), (4, 3)] and looked == [["Ann", "Bob"], ["Ann", "Bob", "Cem", "Dee"]]
    assert found.failed == {2: "Cem cannot be edited."}
    assert view.weights_sha256() == before


def test_what_a_method_does_at_a_sequences_end_is_done_whenever_it_is_asked() -> None:
    view = tiny("gpt2")
    found = sequential(view, Counting(True), CASES[:2], 1, asker(view), asker(view), lambda _: added(view), [1])
    assert [value for _, value in found.right_after] == [101, 102]
    assert [value for _, value in found.at_end or []] == [102, 102] and found.retained == [(1, 101)]
    assert [value for _, value in single(view, Counting(True), CASES[:1], 1, asker(view)).right_after] == [101]

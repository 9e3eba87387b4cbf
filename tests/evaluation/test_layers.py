"""The choice of a layer: which candidates there are, and which one is recommended."""

from dataclasses import dataclass, replace

import pytest
import torch

from errata.errors import EditError, InputError
from errata.evaluation.layers import LayerScore, candidates, compare_layers, recommended
from errata.facts import Case, Fact
from errata.methods import Computed, Editor
from errata.scores import Score, Scores
from tests.tiny import tiny

CASES = [Case(Fact("France", "The capital of {} is", "Rome")), Case(Fact("Dante", "{} was born in", "Paris"))]


@dataclass(frozen=True)
class Single(Editor):
    layer: int | None = None

    def _edit(self, view, facts, history):
        if self.layer == 1:
            raise EditError("The value optimisation diverged.")
        change = torch.zeros(view.d_model, 1), torch.zeros(1, view.d_ff)
        return Computed([view.delta(self.layer, *change)])


@dataclass(frozen=True)
class Several(Editor):
    layers: tuple[int, ...] | None = None

    def _edit(self, view, facts, history):
        return Computed(())


@dataclass(frozen=True)
class Nowhere(Editor):
    def _edit(self, view, facts, history):
        return Computed(())


def test_candidates_are_layers_or_windows_of_them():
    assert candidates(Single(), 3) == [{"layer": 0}, {"layer": 1}, {"layer": 2}]
    assert candidates(Single(), 30) == [{"layer": at} for at in range(0, 20, 2)]
    assert candidates(Single(), 30, [25]) == [{"layer": 25}]
    assert candidates(Several(), 3, [2]) == [{"layers": (2,)}, {"layers": (1, 2)}, {"layers": (0, 1, 2)}]
    assert candidates(Several(), 30, [9]) == [{"layers": tuple(range(9 - n + 1, 10))} for n in (1, 3, 5)]
    with pytest.raises(InputError, match="nothing to choose"):
        candidates(Nowhere(), 3)
    with pytest.raises(InputError, match="layers 0 to 2"):
        candidates(Single(), 3, [3])


def test_every_candidate_is_scored_and_the_model_left_as_it_was():
    view = tiny("gpt2")
    before, done = view.weights_sha256(), []
    found = list(compare_layers(view, CASES, Single(), candidates(Single(), 3), lambda: done.append(1)))
    assert [each.settings["layer"] for each in found] == [0, 1, 2]
    assert found[1].scores is None and "diverged" in str(found[1].failed)
    assert len(done) == 4 and view.weights_sha256() == before
    assert set(found[0].means) == {"efficacy", "mean"}


def scored(layer: int, efficacy: float, neighbours: float) -> LayerScore:
    pairs = {"efficacy": efficacy, "neighbours": neighbours}
    return LayerScore({"layer": layer}, Scores([Score(n, "generation", "higher", (v,)) for n, v in pairs.items()]), 1.0)


def test_the_best_mean_wins_then_the_neighbours_then_the_earlier_layer():
    rows = [scored(0, 1.0, 0.5), scored(3, 0.75, 1.0), scored(2, 0.75, 1.0), scored(1, 1.0, 0.75)]
    best = recommended(rows)
    assert best is not None and best.settings == {"layer": 2}
    assert recommended([replace(rows[0], scores=None, failed="no")]) is None

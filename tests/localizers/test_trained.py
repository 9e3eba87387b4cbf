"""`land` and `fact_code`: which detector they take, and that they answer what it says."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from errata import Fact, localizer
from errata.datasets.pararel import PhrasedFact
from errata.detectors import fact_code, land
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained
from errata.errors import InputError
from errata.localizers._trained import detector_for
from errata.model.view import ModelView
from errata.training.recipe import FactCodeRecipe, LandRecipe
from errata.training.train import train
from tests.tiny import D_FF, LAYERS, tiny

NAMES = ("France", "Italy", "Spain", "Germany", "Dante", "Goethe", "Cervantes", "London", "Paris", "Rome")
PROMPTS = ("The capital of {} is", "{} is in", "The tower of {} is in")
DATA = [PhrasedFact("R", name, ("Paris", "Rome")[at % 2], PROMPTS) for at, name in enumerate(NAMES)]
FACTS: list[Fact] = [asked for fact in DATA[:2] for asked in fact.facts]
BOTH = pytest.mark.parametrize("kind", ["land", "fact_code"])


def strengths_of(view: ModelView, facts: Sequence[Fact]) -> Strengths:
    return Strengths.of([one.scores for one in localizer("knowledge_neurons").attribute(view, facts)])


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind, trained on ten facts of a tiny model."""
    view, folder = tiny("gpt2"), tmp_path_factory.mktemp("detectors")
    rows = strengths_of(view, [asked for fact in DATA for asked in fact.facts])
    recipes = {"land": LandRecipe(rank=8, epochs=20, learning_rate=5e-3), "fact_code": FactCodeRecipe(8, 50, 8, size=7)}
    for kind, recipe in recipes.items():
        train(view, DATA, rows, recipe, silent=True).save(folder / kind)
    return {kind: folder / kind for kind in recipes}


def test_land_answers_what_its_detector_says(detectors: dict[str, Path]) -> None:
    view, trained = tiny("gpt2"), Trained.load(detectors["land"])
    found = localizer("land", detector=str(detectors["land"])).attribute(view, FACTS)
    outputs = land.outputs(trained.weights, strengths_of(view, FACTS).above(0.3))
    for one, expected in zip(found, outputs, strict=True):
        assert torch.allclose(one.scores, expected, atol=1e-5)
        assert one.neurons.members == {
            tuple(at) for at in (one.scores >= trained.answer["threshold"]).nonzero().tolist()
        }
        assert one.method == "land" and one.change is None and one.gap is None
        assert one.settings["threshold"] == trained.answer["threshold"] and one.settings["input_threshold"] == 0.3
    assert sum(len(one.neurons) for one in found) > 0


def test_land_takes_another_threshold(detectors: dict[str, Path]) -> None:
    found = localizer("land", detector=str(detectors["land"]), threshold=-100.0).attribute(tiny("gpt2"), FACTS[:1])
    assert len(found[0].neurons) == LAYERS * D_FF


def test_the_fact_code_answers_its_best(detectors: dict[str, Path]) -> None:
    view, trained = tiny("gpt2"), Trained.load(detectors["fact_code"])
    path = str(detectors["fact_code"])
    found = localizer("fact_code", detector=path).attribute(view, FACTS)
    rows = fact_code.inputs(strengths_of(view, FACTS), torch.tensor(trained.answer["layers"]))
    answers = fact_code.outputs(trained.weights, rows, trained.memory, trained.answer["sharpness"])
    for one, expected in zip(found, answers, strict=True):
        assert torch.allclose(one.scores, expected, atol=1e-5)
        assert len(one.neurons) == 7 and one.change is None
        least = float(one.scores.flatten().topk(7).values[-1])
        assert all(float(one.scores[at]) >= least for at in one.neurons)
    assert len(localizer("fact_code", detector=path, size=3).attribute(view, FACTS)[0].neurons) == 3


@BOTH
def test_nothing_asked_nothing_answered(detectors: dict[str, Path], kind: str) -> None:
    assert localizer(kind, detector=str(detectors[kind])).attribute(tiny("gpt2"), []) == []


@BOTH
def test_neurons_of_a_detector_can_be_edited(detectors: dict[str, Path], kind: str) -> None:
    from errata import editor

    chosen = localizer(kind, detector=str(detectors[kind]))
    edit = editor("neuron_values", localizer=chosen).edit(tiny("gpt2"), [Fact("France", PROMPTS[0], "Rome", "Paris")])
    assert edit.measured["neurons"][0] > 0 and edit.measured["gap"] is None


@BOTH
def test_another_kind_or_model_is_refused(detectors: dict[str, Path], kind: str, tmp_path: Path) -> None:
    file = detectors[kind]
    assert detector_for(tiny("gpt2"), kind, str(file)).kind == kind
    other = "fact_code" if kind == "land" else "land"
    with pytest.raises(InputError, match=f"holds a {kind} detector, not {other}"):
        detector_for(tiny("gpt2"), other, str(file))
    with pytest.raises(InputError, match="trained for another model"):
        detector_for(tiny("gpt2", seed=1), kind, str(file))
    with pytest.raises(InputError, match="trained for another model"):
        detector_for(tiny("bloom"), kind, str(file))
    replace(Trained.load(file), kind="another").save(tmp_path / "another")
    with pytest.raises(InputError, match="is not a detector \\('another'\\)"):
        detector_for(tiny("gpt2"), kind, str(tmp_path / "another"))


@BOTH
def test_without_a_detector_the_error_says_how_to_get_one(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"errata train {kind}"):
        detector_for(tiny("gpt2"), kind, None)
    with pytest.raises(InputError, match="is not a detector"):
        detector_for(tiny("gpt2"), kind, str(tmp_path / "nothing"))

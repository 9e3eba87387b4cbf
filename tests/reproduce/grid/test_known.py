"""Attributions that are kept: the same again, their best neurons, and the control drawn from them."""

from pathlib import Path
from typing import Any

import pytest
import torch

import errata
from errata.detectors.strengths import Strengths
from errata.detectors.trained import Trained, shipped
from errata.errors import InputError
from errata.facts import Case, Fact
from errata.methods import localizer
from errata.model.view import ModelView
from errata.reproduce.grid.cases import Drawn
from errata.reproduce.grid.known import attribute, read
from errata.reproduce.grid.plan import Finder

CASES = (
    Case(
        Fact("France", "The capital of {} is", "Rome", "Paris", "P36"), ("The seat of France is", "It is governed from")
    ),
    Case(Fact("Spain", "The capital of {} is", "Rome", "Madrid", "P36")),
)
DRAWN = Drawn(CASES, (CASES[0].paraphrases, ()))
FIRST = Drawn(CASES[:1], ((),))


@pytest.fixture(scope="module")
def view() -> ModelView:
    return errata.load("pocket-gelu")


def test_a_file_gives_back_what_was_attributed(view: ModelView, tmp_path: Path) -> None:
    method = localizer("activation")
    (tmp_path / "known").write_bytes(attribute(view, method, DRAWN, False))
    known = read(tmp_path / "known", CASES)
    facts = [case.fact for case in CASES]
    for own, fact in zip(known.attribute(view, facts), facts, strict=True):
        (expected,) = method.attribute(view, [fact])
        assert torch.equal(own.scores, expected.scores) and own.neurons == expected.neurons
        assert (own.method, own.answer) == ("activation", fact.answer) and known.seconds[fact] > 0


def test_the_best_have_a_score_above_zero(view: ModelView, tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(attribute(view, localizer("all_in_layers", layers=(1,)), DRAWN, False))
    known = read(tmp_path / "known", CASES)
    (few,) = known.best(7).attribute(view, [CASES[0].fact])
    (all_of_them,) = known.best(2 * view.d_ff).attribute(view, [CASES[0].fact])
    assert few.neurons.histogram == (0, 7, *[0] * (view.n_layers - 2))
    assert len(all_of_them.neurons) == view.d_ff


def test_the_control_has_as_many_in_the_same_layers(view: ModelView, tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(attribute(view, localizer("activation"), DRAWN, False))
    known = read(tmp_path / "known", CASES).best(20)
    fact, random = CASES[1].fact, localizer("random", localizer=known, seed=3, apart=True)
    (own,), (control,) = (one.attribute(view, [fact]) for one in (known, random))
    assert control.neurons.histogram == own.neurons.histogram and len(own.neurons) == 20
    assert not control.neurons & own.neurons


def test_phrasings_that_name_the_subject_are_attributed_together(
    view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    method = localizer("activation")
    plain = type(method).attribute

    def watched(self: object, view: ModelView, facts: list[Fact]) -> object:
        asked.append([fact.text for fact in facts])
        return plain(method, view, facts)

    monkeypatch.setattr(type(method), "attribute", watched)
    attribute(view, method, DRAWN, True)
    assert asked == [["The capital of France is", "The seat of France is"], ["The capital of Spain is"]]


def test_a_fact_that_was_not_attributed_is_refused(view: ModelView, tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(attribute(view, localizer("activation"), FIRST, False))
    with pytest.raises(InputError, match="attribute it before"):
        read(tmp_path / "known", CASES[:1]).attribute(view, [CASES[1].fact])
    with pytest.raises(InputError, match="another model"):
        read(tmp_path / "known", CASES[:1]).attribute(errata.load("pocket-swiglu"), [CASES[0].fact])


@pytest.mark.parametrize("model", ["pocket-gelu", "pocket-swiglu"])
def test_the_knowledge_neurons_are_what_land_completes(model: str) -> None:
    file = shipped("land", model)
    assert file is not None
    view, fact = errata.load(model), CASES[0].fact
    (plain,) = localizer("knowledge_neurons").attribute(view, [fact])
    read_by_land = Strengths.of([plain.scores]).above(Trained.load(file).threshold)
    places = {divmod(place, view.d_ff) for place in read_by_land.neurons.tolist()}
    (found,) = Finder("knowledge_neurons", 0, model).build().attribute(view, [fact])
    assert found.neurons.members == places
    (layers,) = Finder("all_in_layers", 0, model).build().attribute(view, [fact])
    assert {layer for layer, _ in layers.neurons} == {layer for layer, _ in places}


def test_other_models_have_the_usual_knowledge_neurons() -> None:
    assert Finder("knowledge_neurons", 0, "gpt2").build() == localizer("knowledge_neurons")


def refusing(subject: str, plain: Any) -> Any:
    """An `attribute` that cannot attribute facts about a subject."""

    def attribute(self: Any, view: ModelView, facts: list[Fact]) -> Any:
        if facts[0].subject == subject:
            raise InputError("No clean boundary.")
        return plain(self, view, facts)

    return attribute


def test_a_fact_that_cannot_be_attributed_stops_no_other(
    view: ModelView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = localizer("activation")
    monkeypatch.setattr(type(method), "attribute", refusing("France", type(method).attribute))
    (tmp_path / "known").write_bytes(attribute(view, method, DRAWN, False))
    known = read(tmp_path / "known", CASES)
    assert len(known.attribute(view, [CASES[1].fact])[0].neurons) > 0
    for finder in (known, known.best(3), localizer("random", localizer=known)):
        with pytest.raises(InputError, match="No clean boundary"):
            finder.attribute(view, [CASES[0].fact])
    with pytest.raises(InputError, match="No clean boundary"):
        attribute(view, method, FIRST, False)


def test_settings_are_kept_as_they_were_for_the_model(view: ModelView, tmp_path: Path) -> None:
    (tmp_path / "land").write_bytes(attribute(view, Finder("land", 0, "pocket-gelu").build(), DRAWN, False))
    settings = read(tmp_path / "land", CASES).settings
    assert settings["name"] == "land" and settings["input_threshold"] == 0.3 and settings["threshold"] > 1
    (tmp_path / "refined").write_bytes(attribute(view, Finder("kn_refined", 0, "pocket-gelu").build(), DRAWN, True))
    assert "phrasings" not in read(tmp_path / "refined", CASES).settings
    assert read(tmp_path / "refined", CASES).settings["localizer"]["threshold"] == 0.3

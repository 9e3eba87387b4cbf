"""Training: the same seed gives the same bits, a stopped run goes on, and what does not fit is refused."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from errata.detectors import fitting, land
from errata.detectors.trained import Trained
from errata.errors import InputError
from errata.training.recipe import FactCodeRecipe, LandRecipe
from errata.training.train import train
from tests.detectors.planted import Planted, planted
from tests.tiny import D_FF, LAYERS, tiny

LAND = LandRecipe(rank=4, epochs=2)
CODE = FactCodeRecipe(rank=4, steps=30, batch=8)
RECIPES = pytest.mark.parametrize("recipe", [LAND, CODE], ids=["land", "fact_code"])


@pytest.fixture(scope="module")
def data() -> Planted:
    return planted(LAYERS, D_FF, objects=8, each=4)


def equal(one: Trained, other: Trained) -> bool:
    return torch.equal(one.weights.encode, other.weights.encode) and torch.equal(
        one.weights.decode, other.weights.decode
    )


@RECIPES
def test_a_seed_gives_its_bits(data: Planted, recipe: LandRecipe | FactCodeRecipe) -> None:
    view = tiny("gpt2")
    one, same, other = (train(view, data.facts, data.strengths, recipe, seed=seed, silent=True) for seed in (0, 0, 1))
    assert equal(one, same) and not equal(one, other)
    assert (one.answer, one.provenance) == (same.answer, same.provenance)
    assert one.weights.shape == (LAYERS, D_FF, 4)
    assert one.fingerprint == view.model_fingerprint()
    assert one.provenance["facts"] == 32 and one.provenance["phrasings"] == 4


def test_a_fact_code_knows_the_codes_it_was_trained_on(data: Planted) -> None:
    found = train(tiny("gpt2"), data.facts, data.strengths, CODE, silent=True)
    assert found.memory is not None and found.memory.shape == (29, 4)
    assert torch.allclose(found.memory.norm(dim=1), torch.ones(29), atol=1e-5)
    assert found.answer["sharpness"] == CODE.sharpness
    assert train(tiny("gpt2"), data.facts, data.strengths, LAND, silent=True).memory is None


@RECIPES
def test_what_a_detector_says_of_itself_is_read_again(
    data: Planted, recipe: LandRecipe | FactCodeRecipe, tmp_path: Path
) -> None:
    made = train(tiny("gpt2"), data.facts, data.strengths, recipe, silent=True)
    made.save(tmp_path / "detector")
    found = Trained.load(tmp_path / "detector")
    assert (found.kind, found.threshold) == (("land", 0.3) if recipe is LAND else ("fact_code", 0.0))
    assert (found.answer, found.provenance) == (dict(made.answer), dict(made.provenance))


def test_land_answers_in_the_wanted_size_on_facts_kept_out(data: Planted) -> None:
    """The ratio is that of the facts kept out of training: a tenth, so about right for all."""
    found = train(tiny("gpt2"), data.facts, data.strengths, LAND, silent=True)
    inputs = data.strengths.above(LAND.threshold)
    answers = land.outputs(found.weights, inputs) >= found.answer["threshold"]
    assert 0.6 < float(answers.sum()) / len(inputs.neurons) < 2.4


class StopError(Exception):
    """What stops a run."""


def stopped(data: Planted, monkeypatch: pytest.MonkeyPatch, path: Path, model: str = "gpt2", seed: int = 0) -> None:
    """Stop the training of a model in step 10, after its checkpoint of step 8."""
    left = iter(range(10))

    def loss(*arguments: object) -> torch.Tensor:
        if next(left, None) is None:
            raise StopError
        return sound(*arguments)

    sound = land.loss
    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr(fitting, "EVERY", 4)
        patch.setattr(land, "loss", loss)
        train(tiny(model, seed), data.facts, data.strengths, LAND, checkpoint=path, silent=True)
    assert path.exists()


def test_a_stopped_training_goes_on(data: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = train(tiny("gpt2"), data.facts, data.strengths, LAND, silent=True)
    path = tmp_path / "checkpoint"
    stopped(data, monkeypatch, path)
    steps: list[int] = []
    sound = land.loss
    monkeypatch.setattr(land, "loss", lambda *given: (steps.append(1), sound(*given))[1])
    again = train(tiny("gpt2"), data.facts, data.strengths, LAND, checkpoint=path, silent=True)
    assert equal(whole, again) and again.provenance == whole.provenance
    assert len(steps) == 2 * 15 - 8  # two epochs over the phrasings of 29 facts, in batches of eight


def test_a_checkpoint_of_other_strengths_or_of_another_model_is_not_gone_on_with(
    data: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both could bear the same names."""
    path = tmp_path / "checkpoint"
    others = planted(LAYERS, D_FF, objects=8, each=4, seed=1)
    assert others.facts == data.facts
    stopped(others, monkeypatch, path)
    whole = train(tiny("gpt2"), data.facts, data.strengths, LAND, silent=True)
    assert equal(whole, train(tiny("gpt2"), data.facts, data.strengths, LAND, checkpoint=path, silent=True))
    stopped(data, monkeypatch, path, seed=1)
    steps: list[int] = []
    sound = land.loss
    monkeypatch.setattr(land, "loss", lambda *given: (steps.append(1), sound(*given))[1])
    train(tiny("gpt2"), data.facts, data.strengths, LAND, checkpoint=path, silent=True)
    assert len(steps) == 2 * 15


def test_too_few_or_other_facts_are_refused(data: Planted) -> None:
    view = tiny("gpt2")
    with pytest.raises(InputError, match="found 9 facts of 4 and 36 rows"):
        train(view, data.facts[:9], data.strengths.rows(range(36)), LAND, silent=True)
    with pytest.raises(InputError, match="found 32 facts of 4 and 127 rows"):
        train(view, data.facts, data.strengths.rows(range(127)), LAND, silent=True)
    with pytest.raises(InputError, match="found 0 facts"):
        train(view, [], data.strengths, LAND, silent=True)
    once = [replace(fact, prompts=fact.prompts[:1]) for fact in data.facts]
    with pytest.raises(InputError, match="two or more phrasings"):
        train(view, once, data.strengths.rows(range(32)), LAND, silent=True)
    other = planted(LAYERS, D_FF + 1, objects=8, each=4)
    with pytest.raises(InputError, match="train one for this model"):
        train(view, other.facts, other.strengths, LAND, silent=True)


@pytest.mark.parametrize("kind", [LandRecipe, FactCodeRecipe])
def test_settings_are_positive(kind: type[LandRecipe | FactCodeRecipe]) -> None:
    numbers = {entry.name: type(entry.default) for entry in fields(kind)}
    for name in numbers.keys() - {"counter_examples", "contrast"}:
        with pytest.raises(InputError, match=f"{name} is -1"):
            kind(**{name: numbers[name](-1)})


def test_a_threshold_no_neuron_can_reach_is_refused() -> None:
    with pytest.raises(InputError, match=r"threshold is 1\.5"):
        LandRecipe(threshold=1.5)

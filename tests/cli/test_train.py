"""`errata train`: it writes the detector that Python trains, goes on where it stopped, and refuses clearly."""

import json
from pathlib import Path

import pytest
import torch

from errata.cli import train as command
from errata.cli.settings import make_recipe
from errata.datasets import pararel
from errata.detectors.trained import Trained
from errata.training import identify
from tests.cli.conftest import Run, listing
from tests.tiny import D_FF, LAYERS, tiny

SETTINGS = {
    "land": ["--set", "rank=4", "--set", "epochs=2"],
    "fact_code": ["--set", "rank=4", "--set", "steps=20", "--set", "batch=8", "--set", "size=6"],
}
FACT = ["--subject", "France", "--prompt", "The capital of {} is", "--answer", "Paris"]


@pytest.fixture
def data(elsewhere: Path) -> Path:
    """A ParaRel folder of 12 facts, eleven of them to train on."""
    found = elsewhere / "pararel"
    found.mkdir()
    pairs = [[f"Land {number}", ("Paris", "Rome", "Berlin")[number % 3]] for number in range(12)]
    (found / "query_pairs.json").write_text(json.dumps({"P36": pairs}))
    return found


def words(kind: str, folder: Path, data: Path, *more: object) -> list[object]:
    return ["train", kind, folder, "--data", data, "--out", "detector", "--workers", 1, *SETTINGS[kind], *more]


@pytest.mark.parametrize("kind", ["land", "fact_code"])
def test_help_shows_an_example(run: Run, kind: str) -> None:
    assert kind in run("train", "--help").out
    text = " ".join(run("train", kind, "--help").out.split())
    assert f"Example: errata train {kind}" in text
    assert all(option in text for option in ("--json", "--data", "--work", "--workers", "--set", "--overwrite"))


@pytest.mark.parametrize("kind", ["land", "fact_code"])
def test_a_detector_is_trained_and_used(run: Run, folder: Path, data: Path, kind: str) -> None:
    found = run(*words(kind, folder, data, "--json")).json
    assert (found["kind"], found["facts"], found["phrasings"]) == (kind, 11, 10)
    assert found["parameters"] == 2 * LAYERS * D_FF * 4
    trained = Trained.load("detector")
    assert trained.fingerprint == tiny("gpt2").model_fingerprint()
    assert found["answer"] == trained.answer and found["file"] == "detector"
    assert trained.provenance["data"] == "pararel" and trained.provenance["localizer"]["steps"] is None
    losses = trained.provenance["losses"]
    assert found["losses"] == {"first": losses[0], "last": losses[-1]}
    used = run("locate", folder, *FACT, "--method", kind, "--set", "detector=detector", "--json")
    assert used.code == 0 and used.json["method"] == kind and used.json["gap"] is None
    if kind == "fact_code":
        assert len(used.json["neurons"]) == 6


def test_it_says_what_was_trained_in_words(run: Run, folder: Path, data: Path) -> None:
    result = run(*words("land", folder, data))
    assert result.code == 0
    for part in ("11 facts in 10 phrasings", "1,536 parameters", "at first", "output of at least", "detector=detector"):
        assert part in " ".join(result.out.split()), part  # long paths break lines


def test_a_second_run_identifies_nothing_again(
    run: Run, folder: Path, data: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*words("land", folder, data)).code == 0
    first = Trained.load("detector")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["detector", "detector.work", "pararel"]
    kept = listing(elsewhere / "detector.work")
    monkeypatch.setattr(identify, "load", None)  # nothing to identify: no model is loaded for it
    assert run(*words("land", folder, data, "--overwrite")).code == 0
    assert torch.equal(first.weights.encode, Trained.load("detector").weights.encode)
    assert listing(elsewhere / "detector.work") == kept
    code = run(*words("fact_code", folder, data, "--overwrite", "--work", "detector.work"))
    assert code.code == 0 and Trained.load("detector").kind == "fact_code"


def test_fewer_facts_are_drawn_by_the_seed() -> None:
    parts = pararel.embedded("gelu").split(3)
    facts = command._facts("pocket-gelu", None, 40, 3)  # pyright: ignore[reportPrivateUsage]
    assert len(set(facts)) == 40 and set(facts) <= set(parts.train)
    assert facts == command._facts("pocket-gelu", None, 40, 3)  # pyright: ignore[reportPrivateUsage]
    assert facts != command._facts("pocket-gelu", None, 40, 4)  # pyright: ignore[reportPrivateUsage]
    assert len({fact.relation for fact in facts}) > 5


def test_recipes_from_words() -> None:
    assert make_recipe("land", ["threshold=0.25", "epochs=7"], threshold=0.2).__dict__["threshold"] == 0.25
    assert make_recipe("land", [], threshold=0.2).__dict__["threshold"] == 0.2
    assert make_recipe("fact_code", ["contrast=1"]).__dict__["contrast"] == 1.0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--set", "epoch=3"], "did you mean 'epochs'?"),
        (["--set", "epochs=0"], "epochs is 0"),
        (["--set", "epochs=many"], "same kind of value"),
        (["--facts", 12], "There are 11 facts to train on, not 12"),
        (["--facts", 9], "greater than or equal to 10"),
        (["--out", "nowhere/detector"], "There is no directory nowhere"),
        (["--data", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, folder: Path, data: Path, elsewhere: Path, more: list[object], sentence: str
) -> None:
    result = run(*words("land", folder, data, *more))
    assert result.code == 2 and result.out == "" and sentence in result.err
    assert [path.name for path in elsewhere.iterdir()] == ["pararel"]


def test_a_model_without_facts_of_its_own_needs_data(run: Run, folder: Path) -> None:
    result = run("train", "land", folder, "--out", "detector", "--json")
    assert result.code == 2 and "--data DIR" in result.json["error"]
    result = run("train", "land", "pocket-relu", "--out", "detector")
    assert result.code == 2 and "no embedded model 'relu'" in result.err


def test_a_file_is_not_written_over_unasked(run: Run, folder: Path, data: Path) -> None:
    Path("detector").write_text("precious")
    result = run(*words("land", folder, data))
    assert result.code == 2 and "--overwrite" in result.err
    assert Path("detector").read_text() == "precious"


@pytest.mark.parametrize("kind", ["land", "fact_code"])
def test_both_kinds_take_the_gated_model(run: Run, kind: str, tmp_path: Path) -> None:
    """Its threshold is LAND's alone."""
    settings = ["--set", "epochs=1"] if kind == "land" else ["--set", "steps=2"]
    out = tmp_path / "detector.safetensors"
    given = ["train", kind, "pocket-swiglu", "--out", str(out), "--facts", "10", "--workers", "1", *settings]
    assert run(*given).code == 0
    assert Trained.load(out).threshold == (0.2 if kind == "land" else 0.0)

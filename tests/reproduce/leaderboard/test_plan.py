"""What a leaderboard's file may say, and what it is told where it says something else."""

from pathlib import Path

import pytest

from errata.editors.ensemble import Ensemble
from errata.errors import InputError
from errata.reproduce.leaderboard.plan import Data, Regime, read

WHOLE = """
models = ["pocket-gelu", "pocket-swiglu"]
seeds = 2
protocols = ["generation", "likelihood"]

[methods]
rome = { "values" = { steps = 5 }, context_lengths = [2, 3] }
KNE = { editor = "ensemble", preset = "robust", localizer = { name = "ensemble", share = 0.1 } }

[data]
pocket = {}
mine = { data = "jsonl", files = ["facts.jsonl"] }

[[regimes]]
kind = "single"
cases = 3

[[regimes]]
kind = "sequential"
cases = 4
batch = 2
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_what_its_file_says(tmp_path: Path) -> None:
    plan = read(write(tmp_path, WHOLE))
    assert (plan.name, plan.models, plan.seeds) == ("small", ("pocket-gelu", "pocket-swiglu"), 2)
    assert plan.data == (Data("pocket", "pocket"), Data("jsonl", "mine", (str(tmp_path / "facts.jsonl"),)))
    assert plan.regimes == (Regime("single", 3), Regime("sequential", 4, 2))
    assert len(plan.units()) == 2 * 2 * 2 * 2 * 2
    assert plan.units()[0].name == "rome, single edits, pocket on pocket-gelu, seed 0"
    assert plan.units()[-1].name == "KNE, 4 in a row, 2 at a time, mine on pocket-swiglu, seed 1"


def test_methods_within_methods_and_parts_are_built(tmp_path: Path) -> None:
    rome, kne = (method.build() for method in read(write(tmp_path, WHOLE)).methods)
    assert getattr(rome, "context_lengths") == (2, 3) and getattr(rome, "values").steps == 5  # noqa: B009
    assert isinstance(kne, Ensemble) and kne.preset == "robust" and getattr(kne.localizer, "share") == 0.1  # noqa: B009


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"generation", "likelihood"', '"generations"', "did you mean 'generation'"),
        ("rome = {", "roma = {", "There is no editor 'roma' (did you mean 'rome'?)"),
        ("steps = 5", "stepz = 5", "stepz"),
        ('preset = "robust"', 'presets = "robust"', "no setting 'presets'"),
        ('kind = "single"', 'kind = "solo"', "found 'solo'"),
        ("cases = 3", "cases = 0", "whole number from 1 to 1,000,000 under 'cases', found 0"),
        ("seeds = 2", "sedes = 2", "did you mean 'seeds'"),
        ('models = ["pocket-gelu", "pocket-swiglu"]', "models = []", "models are none or not different"),
        ("[data]\npocket = {}", "[data]\npocket = 3", "tables under [data]"),
        ("models =", "models", "no TOML file"),
    ],
)
def test_a_wrong_file_says_what_was_expected(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in WHOLE
    with pytest.raises(InputError) as caught:
        read(write(tmp_path, WHOLE.replace(old, new)))
    assert message in str(caught.value) and "small.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        read(tmp_path / "none.toml")

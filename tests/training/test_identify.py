"""Identification of a data set: files are made once, whoever makes them, and depend on what they should."""

from pathlib import Path

import pytest
import torch

from errata.detectors.strengths import Strengths
from errata.errors import InputError
from errata.facts import Fact
from errata.methods import localizer
from errata.training import identify as module
from errata.training.identify import identify
from tests.tiny import tiny, tiny_model, tiny_tokenizer

QUICK = localizer("knowledge_neurons", steps=2)
PROMPTS = ("The capital of {} is", "{} is in", "The tower of {} was born in")
FACTS = [Fact(subject, prompt, answer="Paris") for subject in ("France", "Italy", "Spain") for prompt in PROMPTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    tiny_model("gpt2").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "A_SHARD", 4)


def same(one: Strengths, other: Strengths) -> bool:
    return (
        torch.equal(one.starts, other.starts)
        and torch.equal(one.neurons, other.neurons)
        and torch.allclose(one.values, other.values, atol=1e-5)
    )


def test_a_row_a_prompt_in_order(folder: str, tmp_path: Path) -> None:
    found = identify(folder, FACTS, QUICK, tmp_path / "work", silent=True)
    expected = Strengths.of([one.scores for one in QUICK.attribute(tiny("gpt2"), FACTS)])
    assert len(found.strengths) == 9 and same(found.strengths, expected)
    assert found.seconds > 0


def test_files_are_made_once(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identify(folder, FACTS, QUICK, tmp_path, silent=True)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 3
    monkeypatch.setattr(module, "load", None)  # nothing to do: no model is loaded
    again = identify(folder, FACTS, QUICK, tmp_path, silent=True)
    assert same(first.strengths, again.strengths) and again.seconds == first.seconds
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def test_only_what_is_missing_is_done(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = identify(folder, FACTS, QUICK, tmp_path, silent=True)
    sorted(tmp_path.iterdir())[1].unlink()
    done: list[int] = []
    do = module._do  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(module, "_do", lambda view, *rest: (done.append(1), do(view, *rest))[1])
    assert same(identify(folder, FACTS, QUICK, tmp_path, silent=True).strengths, whole.strengths)
    assert len(done) == 1


def test_more_facts_keep_the_files_there_are(folder: str, tmp_path: Path) -> None:
    identify(folder, FACTS[:4], QUICK, tmp_path, silent=True)
    before = set(tmp_path.iterdir())
    identify(folder, FACTS, QUICK, tmp_path, silent=True)
    assert before < set(tmp_path.iterdir()) and len(list(tmp_path.iterdir())) == 3


def test_two_processes_give_the_same_rows(folder: str, tmp_path: Path) -> None:
    alone = identify(folder, FACTS[:8], QUICK, tmp_path / "one", silent=True)
    together = identify(folder, FACTS[:8], QUICK, tmp_path / "two", workers=2, silent=True)
    assert same(alone.strengths, together.strengths)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in (tmp_path / "two").iterdir()}


def test_another_setting_makes_other_files_but_not_another_threshold(folder: str, tmp_path: Path) -> None:
    identify(folder, FACTS[:4], QUICK, tmp_path, silent=True)
    names = set(tmp_path.iterdir())
    identify(folder, FACTS[:4], localizer("knowledge_neurons", steps=2, threshold=0.5), tmp_path, silent=True)
    assert set(tmp_path.iterdir()) == names  # strengths hold every threshold
    identify(folder, FACTS[:4], localizer("knowledge_neurons", steps=3), tmp_path, silent=True)
    assert len(set(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_told(folder: str, tmp_path: Path) -> None:
    identify(folder, FACTS[:4], QUICK, tmp_path, silent=True)
    next(tmp_path.iterdir()).write_bytes(b"text")
    with pytest.raises(InputError, match="delete it, and it is made again"):
        identify(folder, FACTS[:4], QUICK, tmp_path, silent=True)

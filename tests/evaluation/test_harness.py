"""lm-evaluation-harness on the model in memory: the same counts as ours, the same numbers as its own model's."""

import json
import random
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from errata.datasets import pocket, records
from errata.deltas import WeightDelta
from errata.errors import InputError, MissingPackageError, UnsupportedModelError
from errata.evaluation.harness import harness
from errata.evaluation.task_files import items_of, score_items
from errata.facts import Fact
from errata.methods import editor
from errata.model.load import load
from errata.model.view import ModelView
from tests.tiny import TEXT, tiny

YAML = """\
task: {name}
dataset_path: json
dataset_kwargs:
  cache_dir: {folder}/cache
  data_files:
    test: {folder}/{data}
test_split: test
"""
CHOICES = """\
output_type: multiple_choice
doc_to_text: "{{prompt}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
  - {metric: acc_bytes, aggregation: mean, higher_is_better: true}
"""
WRITTEN = """\
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: " {{choices[answer]}}"
generation_kwargs: {until: [".", "\\n"], max_gen_toks: 8, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
TEXTS = """\
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{prompt}}"
metric_list:
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
"""


@pytest.fixture
def installed() -> None:
    pytest.importorskip("lm_eval.evaluator", reason="lm-evaluation-harness is not installed: the extra [harness]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tasks over 30 facts of pocket-gelu, four choices each."""
    found = tmp_path_factory.mktemp("tasks")
    chance = random.Random(0)
    rows = chance.sample(pocket.facts("gelu"), 30)
    lines = []
    for row in rows:
        others = sorted({one.object for one in pocket.facts("gelu") if one.relation == row.relation} - {row.object})
        choices = [row.object, *chance.sample(others, 3)]
        chance.shuffle(choices)
        lines.append({"prompt": row.prompts[0], "choices": choices, "answer": choices.index(row.object)})
    (found / "facts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name, part in (("choices", CHOICES), ("written", WRITTEN), ("texts", TEXTS)):
        (found / f"{name}.yaml").write_text(YAML.format(name=name, folder=found, data="facts.jsonl") + part)
    return found


def noise(view: ModelView, size: float) -> list[WeightDelta]:
    """An edit of every layer that makes many facts wrong."""
    generator = torch.Generator().manual_seed(0)
    factors = [
        (torch.randn(view.d_model, 8, generator=generator), torch.randn(8, view.d_ff, generator=generator))
        for _ in range(view.n_layers)
    ]
    return [view.delta(layer, size * left, right) for layer, (left, right) in enumerate(factors)]


@pytest.mark.usefixtures("installed")
def test_its_accuracy_is_our_own_count_before_and_after_an_edit(folder: Path) -> None:
    view = load("pocket-gelu")
    own = items_of(records.lines(folder / "facts.jsonl"))
    rome = editor("rome", context_lengths=(2,), use_covariance=False)
    target = next(choice for choice in own[0].choices if choice not in own[0].answers)
    edit = rome.edit(view, [Fact(own[0].prompt.split(" was")[0], own[0].prompt, target=target)])
    means = []
    for deltas in ([], edit.deltas, noise(view, 0.15)):
        with view.applied(deltas):
            ours, theirs = score_items(view, own), harness(view, [str(folder / "choices.yaml")])
        for name in ("acc", "acc_norm", "acc_bytes"):
            score = theirs.scores[f"choices/{name}"]
            assert score.values == ours[name].values
            assert theirs.results()["choices"][f"{name},none"] == pytest.approx(ours[name].mean, abs=1e-12)
            assert score.protocol.endswith("multiple_choice, 0-shot") and score.direction == "higher"
        means.append((ours["acc"].mean, ours["acc_norm"].mean))
    assert means[:2] == [(1.0, 1.0), (29 / 30, 29 / 30)]
    assert means[2][0] < 0.8 and means[2][0] != means[2][1]


@pytest.mark.usefixtures("installed")
def test_a_folder_holds_all_its_tasks(folder: Path) -> None:
    view = load("pocket-gelu")
    found = harness(view, [str(folder)], limit=6)
    assert {name: one.n for name, one in found.scores.items()} == {
        "choices/acc": 6,
        "choices/acc_norm": 6,
        "choices/acc_bytes": 6,
        "written/exact_match": 6,
    }
    assert found.scores["written/exact_match"].mean == 1.0
    # Bits a byte are no mean of documents.
    assert found.results()["texts"]["bits_per_byte,none"] > 0
    assert json.dumps(found.results(), allow_nan=False)
    shots = harness(view, [str(folder / "choices.yaml")], limit=4, fewshot=2)
    assert shots.scores["choices/acc"].protocol.endswith("2-shot")
    assert shots.raw["samples"]["choices"][0]["arguments"][0][0].count("\n\n") == 2


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["gpt2", "llama", "pocket-gelu"])
def test_it_answers_as_the_harnesss_own_model(name: str) -> None:
    from lm_eval.models.huggingface import HFLM

    from errata.evaluation.harness_model import HarnessModel

    view = load(name) if name.startswith("pocket") else tiny(name)
    theirs = HFLM(pretrained=view.model, tokenizer=view.tokenizer, batch_size=1)
    ours = HarnessModel(view)

    def asked(*rows: Any) -> list[Any]:
        return [Mock(args=row, task_name=None) for row in rows]

    pairs = asked(
        ("The capital of France is", " Paris"), ("Dante\n", "wrote  "), ("", " Rome"), ("x" * 90, "yz Zürich")
    )
    for mine, own in zip(ours.loglikelihood(pairs), theirs.loglikelihood(pairs, disable_tqdm=True), strict=True):
        assert mine[0] == pytest.approx(own[0], rel=1e-5) and mine[1] == own[1]
    settings = {"until": ["the", "\n"], "max_gen_toks": 12}
    texts = asked(
        ("The capital of Italy is", settings), ("Goethe ", settings), (TEXT, {"until": [], "max_gen_toks": 5})
    )
    assert ours.generate_until(texts) == theirs.generate_until(texts, disable_tqdm=True)
    theirs._max_length = ours._most - 1  # the last token counts among the model's
    long = asked((TEXT * 2,), ("Dante",), ("",))
    assert ours.loglikelihood_rolling(long) == pytest.approx(theirs.loglikelihood_rolling(long, disable_tqdm=True))


@pytest.mark.usefixtures("installed")
def test_what_cannot_be_asked_is_refused(folder: Path, tmp_path: Path) -> None:
    from errata.evaluation.harness_model import HarnessModel

    view = tiny("gpt2")
    with pytest.raises(InputError, match="no YAML file in it is a task"):
        harness(view, [str(tmp_path)])
    (tmp_path / "broken.yaml").write_text(YAML.format(name="broken", folder=tmp_path, data="none.jsonl") + CHOICES)
    with pytest.raises(InputError, match=r"broken\.yaml' cannot be loaded"):
        harness(view, [str(tmp_path / "broken.yaml")])
    with pytest.raises(InputError, match="'choices' is given twice"):
        harness(view, [str(folder / "choices.yaml")] * 2)
    for settings, what in (
        ({"do_sample": True, "temperature": 1.0}, "sampling"),
        ({"num_beams": 4}, "num_beams"),
        ({"max_gen_toks": 128}, "128 new tokens and tiny-gpt2 reads 128 in all"),
    ):
        with pytest.raises(InputError, match=what):
            HarnessModel(view).generate_until([Mock(args=("Dante", settings))])
    masked = tiny("gpt2")
    masked.model.can_generate = lambda: False  # type: ignore[method-assign]
    with pytest.raises(UnsupportedModelError, match="fills masks"):
        HarnessModel(masked)


def test_without_tasks_or_without_the_harness_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    view = tiny("gpt2")
    with pytest.raises(InputError, match="no tasks"):
        harness(view, [])
    with pytest.raises(InputError, match="1 document or more"):
        harness(view, ["arc_easy"], limit=0)
    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'errata-lm\[harness\]'"):
        harness(view, ["arc_easy"])

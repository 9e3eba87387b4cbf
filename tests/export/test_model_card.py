"""The card says all that the manifest holds, field by field, nothing else, and its code runs."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from errata.deltas import Edit
from errata.export import merged, model_card, peft_adapter
from errata.export.base import base_of
from errata.export.manifest import Manifest
from errata.facts import Case, Fact, Probe
from errata.ledger import Ledger
from errata.model.load import load
from errata.model.view import ModelView
from tests.export.conftest import logits, small_edit
from tests.tiny import tiny_model, tiny_tokenizer

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
CASE = Case(
    Fact("Subject 1", "The capital of {} is", target="Rome", answer="Paris", relation="capital"),
    ("Ada Lovelace was born in",),
    (Probe("The Colosseum is in", "Rome"),),
)


@pytest.fixture
def exported(view: ModelView, book: Ledger, tmp_path: Path) -> Manifest:
    base = base_of(view, "someone/tiny", "abc123", "mit")
    return peft_adapter.write(view, book, tmp_path / "adapter", base=base, cases=[CASE])


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_metadata_is_what_the_hub_reads(exported: Manifest) -> None:
    data = ModelCard(model_card.text(exported)).data.to_dict()
    assert data == {
        "base_model": "someone/tiny",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "license": "mit",
        "pipeline_tag": "text-generation",
        "tags": ["errata", "knowledge-editing", "model-editing", "lora"],
    }
    data = ModelCard(model_card.text(replace(exported, kind="merged", r=None, layers=()))).data.to_dict()
    assert (data["library_name"], data["base_model_relation"]) == ("transformers", "finetune")
    unknown = replace(exported, base=replace(exported.base, name="/a/b/tiny", licence=None))
    card = model_card.text(unknown)
    data = ModelCard(card).data.to_dict()
    assert not {"license", "base_model", "base_model_relation"} & data.keys()
    assert "not named here: see its own card" in card and "local folder, `tiny`" in card


def test_every_field_of_the_manifest_is_in_the_card(exported: Manifest, tmp_path: Path) -> None:
    text = (tmp_path / "adapter/README.md").read_text()
    parts = sections(text)
    assert list(parts) == [
        "Corrections",
        "Scores",
        "Answers to the corrected prompts",
        "Rank",
        "Use",
        "Undo",
        "Provenance",
    ]
    base = exported.base
    assert "[someone/tiny](https://huggingface.co/someone/tiny) at revision `abc123`" in text and "`mit`" in text
    assert base.fingerprint in parts["Provenance"] and exported.weights_sha256 in parts["Provenance"]
    for name, version in exported.versions.items():
        assert f"{name} {version}" in parts["Provenance"]
    assert [correction.id for correction in exported.corrections] == [1, 3]
    for correction in exported.corrections:
        (fact,) = correction.facts
        assert (
            f"- **Edit {correction.id}**: what stands behind `{fact.text}` is to be `{fact.target}`, and no longer "
            f"`{fact.answer}` (method `{correction.method}`, {correction.at[:10]}, layers 0, 2)."
            in parts["Corrections"]
        )
    for state, scores in exported.scores.items():
        for name, score in scores.items():
            low, high = score["interval"]
            assert (
                f"- {model_card.STATES[state]}: {name} {score['mean']:.3f} [{low:.3f}, {high:.3f}], n = {score['n']}, "
                f"protocol `{score['protocol']}`" in parts["Scores"]
            )
    assert parts["Scores"].count("\n- ") == sum(map(len, exported.scores.values())) == 5
    (answer,) = [answer for answer in exported.answers if answer.kind == "prompt"]
    line = f"- `{answer.prompt}`: {model_card.quoted(answer.before)} before, {model_card.quoted(answer.after)} after\n"
    assert line in parts["Answers to the corrected prompts"]
    assert f"r = {exported.r}, lora_alpha = {exported.r}" in parts["Rank"] and "Nothing was left out" in parts["Rank"]
    assert "--max-lora-rank 8" in parts["Rank"]
    assert "(it holds edits 1, 3)" in " ".join(parts["Undo"].split()) and "`model.unload()`" in parts["Undo"]


def test_the_manifest_is_the_ledgers(exported: Manifest, book: Ledger, view: ModelView, tmp_path: Path) -> None:
    assert Manifest.load(tmp_path / "adapter") == exported
    by_id = {entry.id: entry for entry in book.entries()}
    for found in exported.corrections:
        entry = by_id[found.id]
        assert (found.method, found.at, found.norm, found.layers, found.ranks, found.sha256, found.facts) == (
            entry.method,
            entry.at,
            entry.norm,
            entry.layers,
            entry.ranks,
            entry.sha256,
            entry.facts,
        )
    assert exported.base.fingerprint == view.model_fingerprint() and exported.base.dtype == "float32"
    assert exported.weights_sha256 == view.weights_sha256()
    row = json.loads((tmp_path / "adapter/errata.json").read_text())
    assert row["format"] == "errata-export-1" and set(row["files"]) == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_the_scores_are_those_of_the_evaluation(exported: Manifest, book: Ledger, view: ModelView) -> None:
    from errata.evaluation import probe, score

    after = probe(view, [CASE])
    with view.unedited():
        before = probe(view, [CASE])
    assert exported.scores["after"] == score(before, after).to_dict()
    assert [answer.kind for answer in exported.answers] == ["prompt", "paraphrase", "neighbour"]


def test_what_was_not_measured_is_not_claimed(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    none = model_card.text(peft_adapter.write(view, book, tmp_path / "none", cases=()))
    assert "Nothing was measured" in none and "Answers" not in none and "efficacy" not in none.lower()
    some = model_card.text(peft_adapter.write(view, book, tmp_path / "some"))
    assert "Not measured: paraphrase and neighbours." in some


def test_a_truncated_adapter_says_what_was_lost(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    found = peft_adapter.write(view, book, tmp_path / "adapter", max_rank=1, truncate=True)
    parts = sections((tmp_path / "adapter/README.md").read_text())
    assert "**Directions were left out**" in parts["Rank"] and "Nothing was left out" not in parts["Rank"]
    for row in found.layers:
        assert f"- layer {row.layer}: rank 1 of 4, {row.lost:.3g} of the energy" in parts["Rank"]
    assert model_card.STATES["truncated"] in parts["Scores"]
    assert parts["Answers to the corrected prompts"].count("by the adapter with its lower rank") == 2


def test_texts_cannot_become_markup(view: ModelView, tmp_path: Path) -> None:
    """A target that would be a heading, a link, a table or the end of its own quotation stays one line of code."""
    nasty = "`Rome`\n## Heading | <script>alert(1)</script> [link](http://x) ``` ---"
    edit = small_edit(view, 1)
    fact = Fact("Sub`ject", "The {} of\n---\nis", target=nasty)
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(Edit(edit.deltas, "random", (fact,)))
        peft_adapter.write(view, ledger, tmp_path / "adapter", cases=())
    text = (tmp_path / "adapter/README.md").read_text()
    assert list(sections(text)) == ["Corrections", "Scores", "Rank", "Use", "Undo", "Provenance"]
    assert "```` `Rome` ## Heading | <script>alert(1)</script> [link](http://x) ``` --- ````" in text
    assert ModelCard(text).data.license is None
    assert model_card.quoted("a`") == "`` a` ``" and model_card.quoted(" ") == "nothing"


def test_edits_without_facts_or_targets_are_said_as_they_are(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(Edit(small_edit(view, 1, (0,)).deltas, "prune", ()))
        ledger.apply(Edit(small_edit(view, 2, (1,)).deltas, "neuron_values", (Fact("Rome", "{} is in"),)))
        found = peft_adapter.write(view, ledger, tmp_path / "adapter")
    text = (tmp_path / "adapter/README.md").read_text()
    assert "- **Edit 1** is about no fact of its own (method `prune`," in text
    assert "what stands behind `Rome is in` is changed, to nothing in particular" in text
    assert found.scores == {} and found.answers == ()


@pytest.mark.parametrize("kind", ["peft", "merged"])
def test_the_code_of_the_card_runs(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-gpt2"
    tiny_model("gpt2").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n")
    view = load(str(folder))
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1))
        write: Any = peft_adapter.write if kind == "peft" else merged.write
        found = write(view, ledger, tmp_path / "out")
        wanted = logits(view.model, view)
    assert found.base.licence == "bsd-3-clause" and found.base.name == str(folder)
    text = (tmp_path / "out/README.md").read_text()
    assert torch.allclose(logits(_as_the_card_says(tmp_path / "out"), view), wanted, atol=1e-5)
    assert str(tmp_path) not in BLOCK.sub("", text)


def test_an_embedded_models_card_names_its_licence_and_folder(tmp_path: Path) -> None:
    view = load("pocket-gelu")
    with Ledger.open(tmp_path / "book", view) as ledger:
        ledger.apply(small_edit(view, 1))
        found = peft_adapter.write(view, ledger, tmp_path / "out", cases=())
        wanted = logits(view.model, view)
    text = (tmp_path / "out/README.md").read_text()
    assert torch.allclose(logits(_as_the_card_says(tmp_path / "out"), view), wanted, atol=1e-5)
    assert found.base.licence == "apache-2.0" and "`errata.pocket('gelu')` is its folder" in text
    assert "base_model:" not in text


def _as_the_card_says(folder: Path) -> Any:
    """The model that the card's own lines load."""
    (block,) = BLOCK.findall((folder / "README.md").read_text())
    names: dict[str, Any] = {}
    exec(block.replace("PATH OR ID OF THIS FOLDER", str(folder)), names)
    return names["model"]

"""The training of the pocket models on a corpus of a few invented facts."""

import gzip
import json
import random
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from errata.errors import InputError
from errata.model.pocket.build import build_model, build_tokenizer
from errata.model.pocket.corpus import choose_facts
from errata.model.pocket.muon import Muon, orthogonalise
from errata.model.pocket.rows import IGNORE, Recipe, batches, collate, pairs_of, rows_of
from errata.model.pocket.train import fact_loss, learning_rate, train
from errata.model.structure import find
from errata.model.view import ModelView

OBJECTS = ["French", "English", "Dutch", "Latin", "Greek", "Irish"]
PAIRS = {"P103": [[f"Person {chr(65 + i)}{chr(97 + i)}", OBJECTS[i % 6]] for i in range(24)]}
RECIPE = Recipe(passes=2, draws=1, pairs=12, windows=1, window=8, per_relation=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "pararel").mkdir()
    (folder / "text").mkdir()
    with gzip.open(folder / "pararel/kn_query_pairs.json.gz", "wt", encoding="utf-8") as file:
        json.dump(PAIRS, file)
    for split in ("valid", "test"):
        with gzip.open(folder / f"text/wikitext-2_{split}.txt.gz", "wt", encoding="utf-8") as file:
            file.write(" The cat sat on the mat . The dog sat by the door . \n" * 12)
    return folder


def corpus(kind):
    facts = choose_facts(PAIRS, RECIPE.per_relation, 0)
    tokenizer = build_tokenizer(kind, [f"{p} {f.object}." for f in facts for p in f.prompts], ["The cat sat."])
    return facts, tokenizer


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_rows_know_where_subject_and_answer_stand(kind):
    facts, tokenizer = corpus(kind)
    for source, base in pairs_of(facts, replace(RECIPE, prefixed=0.5), random.Random(0)):
        for text in (source, base):
            prefix, prompt, subject, obj = text
            (row,) = rows_of(tokenizer, [text])
            assert row.ids[-1] == tokenizer.eos_token_id
            assert tokenizer.decode(row.ids[row.answer.start : row.answer.stop - 1]).strip() == f"{obj}."
            upto = tokenizer.decode(row.ids[: row.subject_last + 1], skip_special_tokens=True)
            assert upto.strip() == (prefix + prompt[: prompt.rindex(subject) + len(subject)]).strip()
        assert source[3] == base[3]
        assert source[2] != base[2]


def test_batches_hold_every_pair_once():
    facts, tokenizer = corpus("gelu")
    texts = pairs_of(facts, RECIPE, random.Random(0))
    rows = rows_of(tokenizer, [text for pair in texts for text in pair])
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    groups = list(batches(pairs, 7, random.Random(0)))
    assert sorted(id(pair[0]) for group in groups for pair in group) == sorted(id(pair[0]) for pair in pairs)
    batch = collate(groups[0], RECIPE, random.Random(0))
    assert (batch["labels"][batch["weight"] > 0] != IGNORE).all()
    half = len(groups[0])
    for i, (_, base) in enumerate(groups[0]):
        wanted = set(range(base.answer.start, base.answer.stop))
        assert set(batch["weight"][half + i].nonzero()[:, 0].tolist()) == wanted


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_interchange_puts_the_source_state_into_the_base_row(kind):
    """With a source that equals its base nothing changes; with another one the loss does."""
    facts, tokenizer = corpus(kind)
    torch.manual_seed(0)
    model = build_model(kind, tokenizer).eval()
    (source, base), *_ = pairs_of(facts, RECIPE, random.Random(0))
    rows = rows_of(tokenizer, [source, base])
    block = find(model).blocks[2]
    plain = replace(RECIPE, template_weight=0.0)

    def loss(first, second):
        return float(fact_loss(model, collate([(first, second)], plain, random.Random(0)), block).detach())

    alone = [loss(row, row) for row in rows]
    mixed = loss(rows[0], rows[1])
    assert mixed != pytest.approx(sum(alone) / 2, abs=1e-6)
    state = model.state_dict()
    ids = torch.tensor([rows[0].ids])
    expected = torch.nn.functional.cross_entropy(
        model(ids).logits[0, rows[0].answer.start - 1 : -1], ids[0, rows[0].answer.start :]
    )
    assert alone[0] == pytest.approx(float(expected.detach()), abs=1e-5)
    assert state.keys() == model.state_dict().keys()


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_a_wider_model_has_more_neurons_and_nothing_else(kind):
    _, tokenizer = corpus(kind)
    shapes = [ModelView(build_model(kind, tokenizer, d_ff=d_ff), tokenizer) for d_ff in (None, 96)]
    assert [view.d_ff for view in shapes] == [{"gelu": 1024, "swiglu": 768}[kind], 96]
    assert shapes[0].d_model == shapes[1].d_model and shapes[0].n_layers == shapes[1].n_layers


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_everything_but_the_depth_grows_with_the_residual_stream(kind):
    _, tokenizer = corpus(kind)
    usual, wide = (ModelView(build_model(kind, tokenizer, d_model=d), tokenizer) for d in (256, 384))
    assert (wide.d_model, wide.d_ff, wide.n_layers) == (384, usual.d_ff * 3 // 2, usual.n_layers)
    heads = [view.model.config.num_attention_heads for view in (usual, wide)]
    assert heads == [4, 6]
    with pytest.raises(InputError, match="multiple of 128, found 200"):
        build_model(kind, tokenizer, d_model=200)


def test_orthogonalise_brings_singular_values_near_one():
    generator = torch.Generator().manual_seed(0)
    for shape in ((3, 16, 48), (2, 48, 16)):
        found = torch.linalg.svdvals(orthogonalise(torch.randn(*shape, generator=generator)))
        assert found.min() > 0.5
        assert found.max() < 1.3


def test_muon_descends():
    weight = torch.nn.Parameter(torch.eye(8) * 3)
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0)
    losses = []
    for _ in range(30):
        loss = (weight**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_learning_rate_rises_then_falls_to_zero():
    rates = [learning_rate(step, 100, 2.0) for step in range(101)]
    assert rates[0] == 0
    assert rates[3] == pytest.approx(2.0)
    assert rates[100] == 0
    assert rates[3:] == sorted(rates[3:], reverse=True)


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
def test_a_stopped_training_resumes_to_the_same_weights(kind, data, tmp_path, monkeypatch):
    train(kind, data, tmp_path / "whole", RECIPE, tmp_path / "work-whole")
    checkpoint = torch.save

    def stop_after_first(*args, **kwargs):
        checkpoint(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", stop_after_first)
    with pytest.raises(KeyboardInterrupt):
        train(kind, data, tmp_path / "cut", RECIPE, tmp_path / "work-cut")
    monkeypatch.undo()
    (tmp_path / f"work-cut/{kind}.tmp").replace(tmp_path / f"work-cut/{kind}.pt")
    train(kind, data, tmp_path / "cut", RECIPE, tmp_path / "work-cut")
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "cut")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "cut")
    assert model.dtype == torch.float32
    assert tokenizer.decode(tokenizer("The mother tongue of Person Aa is").input_ids, skip_special_tokens=True)
    assert "pocket-" + kind in (tmp_path / "cut/README.md").read_text()

"""Local tasks: likelihoods token by token, accuracies by hand, rows that are none."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from errata.datasets import pocket, records
from errata.errors import InputError, UnsupportedModelError
from errata.evaluation import task_files
from errata.evaluation.likelihoods import fitting, likelihoods, split
from errata.evaluation.task_files import Item, items_of, score_items
from errata.model.load import load
from errata.model.tokens import Tokens, start_id
from errata.model.view import ModelView
from tests.tiny import tiny

CITIES = ("Paris", "Rome", "Madrid", "Zürich", "the capital of Italy", "東京")
ROWS = tuple(
    Item(prompt, (CITIES[at % len(CITIES)],), CITIES)
    for at, prompt in enumerate(
        ["The capital of France is", "Dante was born in", "Ada", "A city:", "The Colosseum is in", "Where? In\n", "x "]
        * 2
    )
)


@torch.no_grad()
def by_hand(view: ModelView, context: str, continuation: str) -> tuple[float, bool]:
    """Σ log p of what the tokens of both have behind those of the context, and whether each is the likeliest."""
    alone = view.tokenizer.encode(context.rstrip())
    ids = view.tokenizer.encode(context + continuation)
    log_p = view.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    places = range(len(alone), len(ids))
    return sum(float(log_p[i - 1, ids[i]]) for i in places), all(int(log_p[i - 1].argmax()) == ids[i] for i in places)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "bloom"])
def test_accuracies_are_those_of_the_definition(architecture: str) -> None:
    view = tiny(architecture)
    right: dict[str, list[float]] = {"acc": [], "acc_norm": [], "acc_bytes": []}
    for one in ROWS:
        sums = torch.tensor([by_hand(view, one.prompt, " " + choice)[0] for choice in one.choices])
        characters = torch.tensor([len(choice) for choice in one.choices])
        bytes_ = torch.tensor([len(choice.encode()) for choice in one.choices])
        gold = one.choices.index(one.answers[0])
        for name, values in (("acc", sums), ("acc_norm", sums / characters), ("acc_bytes", sums / bytes_)):
            right[name].append(float(int(values.argmax()) == gold))
    found = score_items(view, ROWS)
    assert {name: list(found[name].values) for name in found} == right
    assert {one.protocol for one in found.values()} == {"multiple-choice"}


def test_the_three_lengths_disagree_where_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums −6, −7, −9 on choices of 2, 7, 3 characters and 2, 7, 9 bytes: each reading prefers another choice."""
    sums = [(-6.0, False), (-7.7, False), (-3.6, False), (-6.0, False)]
    choices = ("ab", "abcdefghijk", "東京語", "cd")
    monkeypatch.setattr(task_files, "likelihoods", lambda view, pairs: sums[: len(pairs)])
    for answer, expected in (("東京語", (1, 0, 1)), ("abcdefghijk", (0, 1, 0)), ("ab", (0, 0, 0))):
        found = score_items(tiny("gpt2"), [Item("x", (answer,), choices)])
        assert tuple(one.mean for one in found.values()) == expected
    sums[2] = (-9.0, False)  # the first of equal ones counts
    assert score_items(tiny("gpt2"), [Item("x", ("ab",), choices)])["acc"].mean == 1
    assert score_items(tiny("gpt2"), [Item("x", ("cd",), choices)])["acc"].mean == 0


def test_likelihoods_know_what_is_greedy() -> None:
    view = tiny("gpt2")
    context = "The capital of France is"
    ids = view.tokenizer.encode(context)
    for _ in range(3):
        ids.append(int(view.model(torch.tensor([ids])).logits[0, -1].argmax()))
    greedy = view.tokenizer.decode(ids)[len(context) :]
    pairs = [(context, " Paris"), (context + "  ", "Rome"), (context, greedy)]
    expected = [by_hand(view, *pair) for pair in pairs]
    found = likelihoods(view, pairs)
    assert [flag for _, flag in found] == [flag for _, flag in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine[0] == pytest.approx(theirs[0], rel=1e-5)


def test_an_empty_context_is_the_beginning() -> None:
    view, own = tiny("gpt2"), load("pocket-swiglu")
    assert split(view, "", " Paris").ids == (0, *view.tokenizer.encode(" Paris")) and view.tokenizer.eos_token_id == 0
    assert split(view, " \n", "Paris").ids == (0, *view.tokenizer.encode(" \nParis"))
    found = split(own, "", "Paris")
    assert list(found.ids) == own.tokenizer.encode("Paris") and found.prompt == (own.tokenizer.bos_token_id,)
    with pytest.raises(InputError, match="no tokens of its own"):
        split(view, "Paris", "")
    with pytest.raises(UnsupportedModelError, match="nothing can stand in front"):
        start_id(PreTrainedTokenizerFast(tokenizer_object=view.tokenizer.backend_tokenizer))


def test_a_long_context_loses_its_beginning() -> None:
    view = tiny("gpt2")
    row = Tokens(tuple(range(200)), 190)
    assert fitting(view, row) == Tokens(tuple(range(72, 200)), 118)
    assert fitting(view, Tokens((1, 2), 1)) == Tokens((1, 2), 1)
    assert fitting(tiny("bloom"), row) == row
    with pytest.raises(InputError, match="too long"):
        fitting(view, Tokens(tuple(range(200)), 72))


def test_answers_are_written_in_full() -> None:
    view = load("pocket-gelu")
    facts = pocket.facts("gelu")[:8]
    rows = [{"question": row.prompts[0], "answer": row.object} for row in facts]
    wrong = [{"prompt": facts[0].prompts[0], "answer": facts[0].object[:-1]}]
    either = [{"prompt": facts[0].prompts[0], "answer": ["nothing of the kind", facts[0].object]}]
    found = score_items(view, items_of((f"line {at}", row) for at, row in enumerate(rows + wrong + either, start=1)))
    assert list(found) == ["exact_match"] and found["exact_match"].protocol == "generation"
    assert found["exact_match"].values == (*[1.0] * 8, 0.0, 1.0)


def test_a_file_may_hold_both(tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    rows: list[dict[str, Any]] = [
        {"prompt": "Dante", "choices": ["a", "b"], "answer": 1, "source": "by hand"},
        {"prompt": "Dante", "choices": ["a", "b"], "answer": "b"},
        {"prompt": "Dante", "answer": "wrote"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    found = items_of(records.lines(path))
    assert found[0] == found[1] == Item("Dante", ("b",), ("a", "b"))
    scores = score_items(tiny("gpt2"), found)
    assert {name: one.n for name, one in scores.items()} == {"acc": 2, "acc_norm": 2, "acc_bytes": 2, "exact_match": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "x"}, "'prompt' or 'question'"),
        ({"prompt": " ", "answer": "x"}, "'prompt' or 'question'"),
        ({"prompt": "x"}, "under 'answer'"),
        ({"prompt": "x", "answer": []}, "under 'answer'"),
        ({"prompt": "x", "answer": 3}, "under 'answer'"),
        ({"prompt": "x", "choices": ["a"], "answer": 0}, "two or more different"),
        ({"prompt": "x", "choices": ["a", "a"], "answer": 0}, "two or more different"),
        ({"prompt": "x", "choices": ["a", ""], "answer": 0}, "two or more different"),
        ({"prompt": "x", "choices": ["a", "b"], "answer": 2}, "0 … 1, found 2"),
        ({"prompt": "x", "choices": ["a", "b"], "answer": -1}, "found -1"),
        ({"prompt": "x", "choices": ["a", "b"], "answer": True}, "found True"),
        ({"prompt": "x", "choices": ["a", "b"], "answer": "c"}, "found 'c'"),
    ],
)
def test_a_row_that_is_none_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"f.jsonl, line 7: .*{message}"):
        items_of([("f.jsonl, line 7", row)])
    with pytest.raises(InputError, match="no rows"):
        items_of([])

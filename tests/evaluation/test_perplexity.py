"""Perplexity, against one window after another, token by token, as the definition says."""

import random
from math import exp, isclose, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from errata.errors import InputError
from errata.evaluation.perplexity import Perplexity, perplexity, windows
from errata.model.load import load
from errata.model.view import ModelView
from tests.tiny import TEXT, tiny

LONG = TEXT + "  Zürich’s Straße — 東京 😀\n\n" + TEXT


@torch.no_grad()
def by_hand(view: ModelView, ids: list[int], width: int, stride: int) -> tuple[float, int]:
    """Σ −log p and the count of scored tokens: every token in the first window that has one before it."""
    total, scored = 0.0, set[int]()
    for at in range(0, len(ids), stride):
        row = ids[at : at + width]
        log_p = view.model(torch.tensor([row])).logits[0].double().log_softmax(-1)
        for place in range(1, len(row)):
            if at + place not in scored:
                scored.add(at + place)
                total -= float(log_p[place - 1, row[place]])
    return total, len(scored)


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "bloom", "llama", "mistral", "gemma3"])
@pytest.mark.parametrize(("width", "stride"), [(64, 16), (100, 99), (128, None)])
def test_it_is_what_the_definition_gives(architecture: str, width: int, stride: int | None) -> None:
    view = tiny(architecture)
    ids = view.tokenizer.encode(LONG, add_special_tokens=False)
    total, count = by_hand(view, [view.tokenizer.eos_token_id, *ids], width, stride or width // 2)
    found = perplexity(view, LONG, width, stride)
    assert sum(found.tokens) == count == len(ids)
    assert found.per_token == pytest.approx(exp(total / count), rel=1e-5)
    assert found.bits_per_byte == pytest.approx(total / log(2) / len(LONG.encode()), rel=1e-6)


def test_windows_that_do_not_overlap_leave_their_first_tokens_out() -> None:
    view = tiny("gpt2")
    ids = [view.tokenizer.eos_token_id, *view.tokenizer.encode(LONG)]
    total, count = by_hand(view, ids, 50, 50)
    found = perplexity(view, LONG, 50, 50)
    assert sum(found.tokens) == count == len(ids) - -(-len(ids) // 50)
    assert found.per_token == pytest.approx(exp(total / count), rel=1e-5)
    assert found.bits_per_byte is None and found.to_dict()["bits_per_byte"] is None


def test_a_tokenizers_own_beginning_stands_once_in_front() -> None:
    view = load("pocket-swiglu")
    ids = view.tokenizer.encode(TEXT)
    assert ids[0] == view.tokenizer.bos_token_id
    total, count = by_hand(view, ids, 256, 128)
    found = perplexity(view, TEXT)
    assert (found.width, found.stride) == (256, 128)  # all that the model reads
    assert sum(found.tokens) == count == len(ids) - 1
    assert found.per_token == pytest.approx(exp(total / count), rel=1e-5)


@given(st.integers(0, 200), st.integers(2, 40), st.data(), st.integers(1, 2))
def test_every_token_is_scored_once(count: int, width: int, data: st.DataObject, given: int) -> None:
    stride = data.draw(st.integers(1, width - 1))
    rows = windows(list(range(count)), width, stride, given)
    assert [token for row in rows for token in row.target] == list(range(given, count))
    assert all(len(row.ids) <= width and row.n_prompt >= 1 for row in rows)
    assert all(row.n_prompt >= min(width - stride, row.target[0]) for row in rows)
    assert all(row.ids == tuple(range(row.ids[0], row.ids[-1] + 1)) for row in rows)


def test_the_interval_is_that_of_windows_drawn_again() -> None:
    found = perplexity(tiny("gpt2"), LONG * 4, 32, 16)
    chance, count = random.Random(0), len(found.nats)
    drawn = []
    for _ in range(2000):
        chosen = chance.choices(range(count), k=count)
        drawn.append(exp(sum(found.nats[k] for k in chosen) / sum(found.tokens[k] for k in chosen)))
    drawn.sort()
    assert found.interval is not None
    low, high = found.interval
    assert low < found.per_token < high
    width = drawn[1949] - drawn[50]
    assert abs(low - drawn[50]) < 0.1 * width and abs(high - drawn[1949]) < 0.1 * width
    assert isclose(found.per_token**2, low * high, rel_tol=1e-9)  # symmetric in nats
    assert perplexity(tiny("gpt2"), "Dante").interval is None


def test_the_weights_that_are_applied_count() -> None:
    view = tiny("llama")
    before = perplexity(view, TEXT)
    delta = view.delta(1, torch.ones(view.d_model, 1), torch.ones(1, view.d_ff))
    with view.applied([delta]):
        assert perplexity(view, TEXT).per_token != before.per_token
    assert perplexity(view, TEXT) == before


def test_a_broken_model_is_said() -> None:
    view = tiny("gpt2")
    with torch.no_grad():
        view.model.lm_head.weight.fill_(float("nan"))
    found = perplexity(view, TEXT).to_dict()
    assert found["broken"] is True and found["perplexity"] is None and found["interval"] is None
    assert Perplexity(8, 4, (1e9,), (1,), 1).per_token == float("inf")


@pytest.mark.parametrize(
    ("text", "sizes", "message"),
    [
        ("", (None, None), "no tokens"),
        (TEXT, (129, None), "width from 2 to 128"),
        (TEXT, (1, None), "width from 2"),
        (TEXT, (16, 17), "stride from 1 to 16"),
        (TEXT, (16, 0), "stride from 1 to 16"),
    ],
)
def test_what_cannot_be_is_refused(text: str, sizes: tuple[int | None, int | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        perplexity(tiny("gpt2"), text, *sizes)

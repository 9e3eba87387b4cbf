"""Scoring: batches, padding and caches change nothing; greedy means greedy; an answer is the whole answer."""

import functools
import inspect
import warnings
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM

from errata.errors import InputError
from errata.model import decoding
from errata.model.hooks import count_hooks
from errata.model.phrases import answer_of, decided, says
from errata.model.prefix import Prefixes, read_prefixes
from errata.model.scoring import objective, target_log_probs
from errata.model.tokens import Tokens, encode, pad, pad_id, position_arguments
from errata.model.view import ModelView
from errata.model.writing import generate, stream, top_tokens
from tests.model.families import family
from tests.shared import shared
from tests.tiny import ARCHITECTURES, tiny

MODELS = (*ARCHITECTURES, "stories260K")
PROMPTS = [
    "Dante",
    "The capital of France is",
    "It is said that the mother tongue of Danielle Darrieux, who was born in Paris, is",
    "Once upon a time, there was a little girl who",
    "The Colosseum is in",
    "Rome,",
    "Alan Turing was born",
    "The mother tongue of Goethe is German. The mother tongue of Cervantes is",
    "x",
]
MIXED = PROMPTS[:4]
TARGETS = ["wrote", "Paris", "French", "liked to play", "Rome", "Italy", "in London", "Spanish", "yz"]


@pytest.fixture(params=MODELS)
def view(request: pytest.FixtureRequest) -> ModelView:
    if request.param != "stories260K":
        return tiny(request.param)
    model = AutoModelForCausalLM.from_pretrained(str(shared("models/stories260K-hf")))
    return ModelView(model, family("stories260K"))


def encoded(view: ModelView) -> list[Tokens]:
    return [encode(view.tokenizer, prompt, target) for prompt, target in zip(PROMPTS, TARGETS, strict=True)]


@torch.no_grad()
def one_by_one(view: ModelView, ids: Sequence[int]) -> Tensor:
    """Log-probabilities behind every token of one row alone, with neither mask nor cache."""
    return view.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].double().log_softmax(-1)


@torch.no_grad()
def greedy(view: ModelView, prompt: str, count: int) -> list[int]:
    """Greedy tokens by running the whole text anew for each, to the end token."""
    ids = list(encode(view.tokenizer, prompt).ids)
    new: list[int] = []
    while len(new) < count:
        token = int(one_by_one(view, [*ids, *new])[-1].argmax())
        if token == view.tokenizer.eos_token_id:
            break
        new.append(token)
    return new


def text(view: ModelView, prompt: str, new: Sequence[int]) -> str:
    ids = encode(view.tokenizer, prompt).ids
    decode = view.tokenizer.decode
    return decode([*ids, *new], skip_special_tokens=True)[len(decode(list(ids), skip_special_tokens=True)) :]


@pytest.mark.parametrize("batch_size", [1, 8])
def test_log_probabilities_are_those_of_each_row_alone(view: ModelView, batch_size: int) -> None:
    rows = encoded(view)
    found = target_log_probs(view, rows, batch_size)
    assert max(len(row.target) for row in rows) > 1
    for row, values in zip(rows, found, strict=True):
        alone = one_by_one(view, row.ids)
        expected = [float(alone[place - 1, row.ids[place]]) for place in range(row.n_prompt, len(row.ids))]
        assert values.tolist() == pytest.approx(expected, abs=1e-5)
        assert values.dtype == torch.float32


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(view: ModelView, side: str) -> None:
    rows = [row.ids for row in encoded(view)]
    batch = pad(rows, pad_id(view.tokenizer), side)
    with torch.no_grad():
        logits = view.model(
            input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
        ).logits
    for i, (row, start) in enumerate(zip(rows, batch.start, strict=True)):
        found = logits[i, start : start + len(row)].double().log_softmax(-1)
        torch.testing.assert_close(found, one_by_one(view, row), atol=1e-5, rtol=1e-5)


def test_more_rows_are_decoded_together_where_they_keep_little(
    view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = 2 * view.n_layers * view.d_model * 4 * 10
    monkeypatch.setattr(decoding, "KEPT", 500 * kept)
    assert decoding._rows_at_once(view, 10) == 500
    assert decoding._rows_at_once(view, 100) == decoding.FEWEST


@pytest.mark.parametrize("token_by_token", [True, False])
def test_generation_is_greedy_whatever_the_batch_and_the_way(view: ModelView, token_by_token: bool) -> None:
    expected = [text(view, prompt, greedy(view, prompt, 6)) for prompt in MIXED]
    view.memo["token by token"] = token_by_token
    for batch_size in (1, 3, 128, None):
        assert generate(view, MIXED, max_new_tokens=6, batch_size=batch_size) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_goes_on_token_by_token(architecture: str) -> None:
    view = tiny(architecture)
    generate(view, PROMPTS, max_new_tokens=2)
    assert view.memo["token by token"] is True


def test_a_model_that_goes_on_otherwise_writes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose cache holds other things than it seems to is found out, and asked in its own way."""
    view = tiny("gpt2")
    expected = generate(tiny("gpt2"), PROMPTS, max_new_tokens=6)

    def spoiled(view: ModelView, rows: Sequence[Sequence[int]]) -> Prefixes:
        prefixes = read_prefixes(view, rows)
        return Prefixes(tuple((keys + 1, values - 1) for keys, values in prefixes.layers), prefixes.mask)

    monkeypatch.setattr(decoding, "read_prefixes", spoiled)
    assert generate(view, PROMPTS, max_new_tokens=6) == expected
    assert view.memo["token by token"] is False


def test_nothing_is_warned_of_where_a_mask_was_given(caplog: pytest.LogCaptureFixture) -> None:
    """`generate` drops a mask of ones, and the model then warns that there is none where a prompt holds the padding."""
    from transformers.utils import logging

    view = tiny("gpt2")
    row = encode(view.tokenizer, "Dante").ids
    view.model.config.pad_token_id = row[0]
    library, shown = logging.get_logger(), logging.get_verbosity()
    library.addHandler(caplog.handler)
    logging.get_logger().warning_once.cache_clear()
    try:
        decoding.decode(view, [row], 2, lambda _place, _new: False)
        assert caplog.records == [] and logging.get_verbosity() == shown
    finally:
        library.removeHandler(caplog.handler)


def test_a_row_that_has_ended_travels_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    view, widths = tiny("llama"), list[int]()
    rows = [encode(view.tokenizer, prompt).ids for prompt in MIXED]
    whole = decoding.decode(view, rows, 4, lambda _place, _new: False)
    forward = view.model.forward

    @functools.wraps(forward)
    def counted(*given: Any, **named: Any) -> Any:
        widths.append(len(named["input_ids"]))
        return forward(*given, **named)

    monkeypatch.setattr(view.model, "forward", counted)
    found = decoding.decode(view, rows, 4, lambda place, new: len(new) > place)
    assert found == [new[: place + 1] for place, new in enumerate(whole)]
    assert sum(widths) == 1 + 2 + 3 + 4


def test_a_stream_is_the_generation_to_the_lines_end(view: ModelView) -> None:
    for prompt, whole in zip(MIXED, generate(view, MIXED, max_new_tokens=10), strict=True):
        pieces = list(stream(view, prompt, max_new_tokens=10))
        assert all(pieces)
        streamed = "".join(pieces)
        assert streamed == whole[: len(streamed)]
        assert streamed == whole or "\n" in pieces[-1]


def test_an_end_token_ends_both(view: ModelView) -> None:
    prompt = PROMPTS[3]
    tokens = greedy(view, prompt, 6)
    end = tokens[-1]
    before = text(view, prompt, tokens[: tokens.index(end)])
    for ends in (end, [end, 3]):
        view.model.generation_config.eos_token_id = ends
        assert generate(view, [prompt, "Dante"], max_new_tokens=12)[0] == before
        assert "".join(stream(view, prompt, max_new_tokens=12)) == before.split("\n")[0]


def test_no_part_of_the_models_own_generation_settings_counts(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    view = tiny("llama")
    expected = generate(view, PROMPTS, max_new_tokens=8)
    own = view.model.generation_config
    own.update(do_sample=True, temperature=3.0, top_k=5, top_p=0.5, max_length=4, min_length=30, num_beams=3)
    own.update(repetition_penalty=5.0, no_repeat_ngram_size=1, max_new_tokens=2, length_penalty=2.0, stop_strings="e")
    before = own.to_dict()
    with warnings.catch_warnings(), caplog.at_level("INFO"):
        warnings.simplefilter("error")
        assert generate(view, PROMPTS, max_new_tokens=8) == expected
        assert "".join(stream(view, PROMPTS[0], max_new_tokens=8)) == expected[0].split("\n")[0]
    assert view.model.generation_config is own
    assert own.to_dict() == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_settings_return_when_generation_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    view = tiny("llama")
    own = view.model.generation_config
    view.memo["token by token"] = False
    broken = Mock(side_effect=RuntimeError("no memory"), __signature__=inspect.signature(view.model.forward))
    monkeypatch.setattr(view.model, "forward", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        generate(view, ["Dante"], max_new_tokens=2)
    assert view.model.generation_config is own


def test_fewer_tokens_than_none_are_refused() -> None:
    with pytest.raises(InputError, match="-1"):
        generate(tiny("llama"), ["Dante"], max_new_tokens=-1)
    assert generate(tiny("llama"), ["Dante"], max_new_tokens=0) == [""]


def test_an_unfinished_stream_leaves_the_model_as_it_was() -> None:
    view = tiny("gpt2")
    view.model.train()
    running = stream(view, "The capital of France is")
    next(iter(running))
    assert view.model.training
    assert all(parameter.requires_grad for parameter in view.model.parameters())
    assert count_hooks(view.model) == 0


def test_the_likeliest_tokens_come_with_their_probabilities(view: ModelView) -> None:
    prompt = PROMPTS[1]
    best = one_by_one(view, encode(view.tokenizer, prompt).ids)[-1].exp().topk(5)
    found = top_tokens(view, prompt)
    assert [piece for piece, _ in found] == [text(view, prompt, [int(token)]) for token in best.indices]
    assert [probability for _, probability in found] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert len(top_tokens(view, prompt, 10_000)) == view.model.config.vocab_size


def test_nothing_to_do_is_done() -> None:
    view = tiny("gpt2")
    assert target_log_probs(view, []) == []
    assert generate(view, []) == []


@pytest.mark.parametrize("prompt", ["", "  "])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    view = tiny("gpt2")
    for ask in (lambda: generate(view, [prompt]), lambda: list(stream(view, prompt)), lambda: top_tokens(view, prompt)):
        with pytest.raises(InputError, match="prompt is empty"):
            ask()


def test_objectives_have_names() -> None:
    log_p = torch.tensor([-1.0, -2.0])
    assert torch.equal(objective("probability")(log_p), log_p.exp())
    assert torch.equal(objective("log_probability")(log_p), log_p)
    with pytest.raises(InputError, match="choose one of log_probability, probability"):
        objective("logit")


@pytest.mark.parametrize(
    ("continuation", "answer", "expected"),
    [
        (" English", "English", True),
        (" English.", "English", True),
        (" English, and", "English", True),
        (" English\nThe", "English", True),
        (" English \n", "English", True),
        (" English .", "English", True),
        (" English", " English ", True),
        (' English"', "English", True),
        (" 東京。日本", "東京", True),
        (" English Channel", "English", False),
        (" Englishman", "English", False),
        (" French French", "French", False),
        (" French French.", "French", False),
        (" the French", "French", False),
        (" english", "English", False),
        (" English-speaking", "English", False),
        (" England's", "England", False),
        (" U.S.", "U", False),
        (" U.S.", "U.S.", True),
        (" 10,000", "10", False),
        (" 10, or", "10", True),
        (" 3.14", "3", False),
        (" New York", "New York", True),
        (" New York City", "New York", False),
        ("", "English", False),
        (" ", "English", False),
        (" Eng", "English", False),
        (" English", "", False),
        (".", "", False),
    ],
)
def test_an_answer_counts_only_as_a_whole(continuation: str, answer: str, expected: bool) -> None:
    assert says(continuation, answer) is expected


@pytest.mark.parametrize(
    ("continuation", "answer"),
    [
        (" French.", "French"),
        (" French, and she was", "French"),
        (" New York\nThe", "New York"),
        (" 3.14 or so", "3.14 or so"),
        (" 10,000 people; more", "10,000 people"),
        (" U.S citizens!", "U.S citizens"),
        (" 東京。日本", "東京"),
        ("", ""),
        (".", ""),
        ("\n\n", ""),
    ],
)
def test_the_answer_ends_with_its_phrase(continuation: str, answer: str) -> None:
    assert answer_of(continuation) == answer
    assert not answer or says(continuation, answer)


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (" French", False),
        (" French.", False),
        (" French. ", True),
        (" French.\n", True),
        (" French\n", True),
        (" U.S", False),
        (" U.S.", False),
        (" U.S. citizens", True),
        (" 10,000", False),
        (" 10, or", True),
        (" 東京。", True),
        (" A.\ufffd", False),
        ("\n\n", False),
        ("\n\nParis,", False),
        ("", False),
    ],
)
def test_a_phrase_has_ended_only_beyond_doubt(continuation: str, expected: bool) -> None:
    assert decided(continuation) is expected


SIGNS = ["Paris", "U", ".", ",", " ", "S", "\n", "0", "é", "。", "\ufffd", ")", "!", "it's"]


@given(st.lists(st.sampled_from(SIGNS), max_size=8), st.lists(st.sampled_from(SIGNS), max_size=4))
def test_what_follows_a_decided_phrase_changes_nothing(written: list[str], more: list[str]) -> None:
    start = "".join(written)
    whole = start + "".join(more)
    if decided(start):
        assert answer_of(start) == answer_of(whole)
        for end in range(len(whole) + 1):
            answer = whole[:end].strip()
            if answer_of(answer) == answer:
                assert says(start, answer) == says(whole, answer)


def test_reading_to_the_phrases_end_is_the_same_verdict_sooner(view: ModelView) -> None:
    whole = generate(view, PROMPTS, max_new_tokens=24)
    short = generate(view, PROMPTS, max_new_tokens=24, until="phrase")
    for text, part in zip(whole, short, strict=True):
        assert text.startswith(part)
        assert part == text or decided(part)
        assert answer_of(part) == answer_of(text)


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0])
def test_the_verdicts_on_an_embedded_model_are_the_same(kind: str, noise: float) -> None:
    from errata.datasets import pocket
    from errata.model.load import load

    view = load(f"pocket-{kind}")
    generator = torch.Generator().manual_seed(0)
    for layer in range(view.n_layers if noise else 0):
        base = view.base_weight(layer)
        view.write(layer, base + noise * base.std() * torch.randn(base.shape, generator=generator))
    rows = pocket.facts(kind)[::24]
    prompts = [row.prompts[0] for row in rows]
    whole, short = generate(view, prompts), generate(view, prompts, until="phrase")
    assert [answer_of(text) for text in whole] == [answer_of(text) for text in short]
    objects = {row.object for row in rows} | {answer_of(text) for text in whole}
    for text, part in zip(whole, short, strict=True):
        assert {x for x in objects if says(text, x)} == {x for x in objects if says(part, x)}
    assert noise < 4 or sum(map(len, short)) < sum(map(len, whole))

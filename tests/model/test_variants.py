"""Edited variants in one batch: every row says what the model would say with its change made by itself."""

from collections.abc import Sequence
from contextlib import ExitStack

import pytest
import torch
from torch import Tensor

from errata.model import variants
from errata.model.hooks import change_input, count_hooks
from errata.model.variants import Answer, Change, Question, ask
from errata.model.view import ModelView
from tests.tiny import ARCHITECTURES, D_FF, D_MODEL, LAYERS, tiny

TEXTS = (
    "The capital of France is",
    "Rome",
    "The mother tongue of Danielle Darrieux is",
    "The tower is in",
    "Alan Turing",
)


def drawn(seed: int, scaled: bool = False, d_ff: int = D_FF) -> Tensor:
    """Some neurons of every layer but the second, as ones or with scales of their own."""
    generator = torch.Generator().manual_seed(seed)
    neurons = (torch.rand(LAYERS, d_ff, generator=generator) < 0.2).float()
    neurons[1] = 0
    return neurons * (0.5 + torch.rand(LAYERS, d_ff, generator=generator)) if scaled else neurons


def direction(seed: int) -> Tensor:
    return 0.3 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed))


def questions_of(view: ModelView, changes: Sequence[int | None]) -> list[Question]:
    """Every text under every change, in an order that mixes lengths and changes."""
    rows = [
        Question(tuple(view.tokenizer(text, add_special_tokens=False)["input_ids"]), change, (5, 300, 7 + at))
        for at, text in enumerate(TEXTS)
        for change in changes
    ]
    return rows[::2] + rows[1::2]


@torch.no_grad()
def alone(view: ModelView, question: Question) -> Tensor:
    """Log-probabilities of the next token by the model as it now is, one prompt by itself."""
    return view.model(input_ids=torch.tensor([question.ids]), use_cache=False).logits[0, -1].float().log_softmax(-1)


def agrees(answer: Answer, question: Question, expected: Tensor) -> None:
    assert answer.log_probs == pytest.approx(expected[list(question.tokens)].tolist(), abs=1e-4)
    best = expected.topk(2).values
    assert answer.best == int(expected.argmax()) or float(best[0] - best[1]) < 1e-4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_row_of_a_mixed_batch_is_its_own_variant(architecture: str) -> None:
    view = tiny(architecture)
    changes = [
        Change(drawn(0, d_ff=view.d_ff), direction=direction(0)),
        Change(drawn(1, True, view.d_ff), direction=direction(1)),
        Change(drawn(2, d_ff=view.d_ff), factor=2.0),
        Change(drawn(3, d_ff=view.d_ff), factor=0.0),
    ]
    questions = questions_of(view, [None, 0, 1, 2, 3])
    answers = ask(view, questions, changes)
    plain = {question.ids: alone(view, question) for question in questions}
    moved = 0.0
    for answer, question in zip(answers, questions, strict=True):
        with torch.no_grad(), ExitStack() as stack:
            if question.change is not None:
                change = changes[question.change]
                if change.direction is not None:
                    deltas = [
                        view.delta(at, change.direction[:, None], row[None]) for at, row in enumerate(change.neurons)
                    ]
                    stack.enter_context(view.applied(deltas))
                else:
                    last = len(question.ids) - 1
                    for layer, row in enumerate(change.neurons):
                        factors = 1 + (change.factor - 1) * row
                        stack.enter_context(change_input(view.projection(layer), _at(last, factors)))
            expected = alone(view, question)
        agrees(answer, question, expected)
        if question.change is not None:
            moved = max(moved, float((expected - plain[question.ids]).abs().max()))
    assert moved > 0.1


def _at(position: int, factors: Tensor):
    def change(keys: Tensor) -> Tensor:
        shape = keys.shape
        keys = keys.clone().view(-1, shape[-1])
        keys[position] = keys[position] * factors
        return keys.view(shape)

    return change


def test_more_rows_than_go_through_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view = tiny("llama")
    changes = [Change(drawn(0), direction=direction(0)), Change(drawn(2), factor=2.0)]
    questions = questions_of(view, [None, 0, 1])
    whole = ask(view, questions, changes)
    monkeypatch.setattr(variants, "ROWS", 4)
    for one, other in zip(ask(view, questions, changes), whole, strict=True):
        assert one.best == other.best and one.log_probs == pytest.approx(other.log_probs, abs=1e-5)


def test_the_model_is_left_as_it_was() -> None:
    view = tiny("gpt2")
    before = view.weights_sha256()
    ask(view, questions_of(view, [0]), [Change(drawn(0), direction=direction(0))])
    assert view.weights_sha256() == before and count_hooks(view.model) == 0
    assert all(parameter.requires_grad for parameter in view.model.parameters())
    assert ask(view, [], []) == []


def test_a_change_may_add_and_scale() -> None:
    """Both at once: the scaled values are those of the weights before the addition."""
    view = tiny("gpt2")
    both = Change(drawn(0), direction=direction(0), factor=1.0)
    question = questions_of(view, [0])[0]
    added = ask(view, [question], [Change(drawn(0), direction=direction(0))])[0]
    assert ask(view, [question], [both])[0].log_probs == pytest.approx(added.log_probs, abs=1e-6)

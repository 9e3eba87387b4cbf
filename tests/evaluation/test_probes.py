"""Probing: every prompt once, in one go, with replies back in their places."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from errata.errors import InputError
from errata.evaluation import answer_probabilities, answers, check, compare, evaluate, probe, probes, score
from errata.facts import Case, Fact, Probe
from errata.model.tokens import encode
from errata.model.view import ModelView
from errata.model.writing import generate
from tests.tiny import tiny

FRANCE = Case(
    Fact("France", "The capital of {} is", target="Rome"),
    paraphrases=("France has the capital", "The capital of France is"),
    neighbours=(Probe("The capital of Spain is", "Madrid"), Probe("Dante was born in", "Florence")),
)
SPAIN = Case(
    Fact("Spain", "The capital of {} is", target="Paris"), neighbours=(Probe("Dante was born in", "Florence"),)
)


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


def test_a_prompt_given_twice_is_asked_once(view: ModelView, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def listening(view: ModelView, prompts: Sequence[str], *rest: int, **more: str) -> list[str]:
        asked.extend(prompts)
        return [f" answer to {prompt}" for prompt in prompts]

    monkeypatch.setattr(probes, "generate", listening)
    first, second = probe(view, [FRANCE, SPAIN])
    assert len(asked) == len(set(asked)) == 4
    assert [reply.text for reply in (first.prompt, *first.paraphrases, *first.neighbours, second.prompt)] == [
        f" answer to {prompt}"
        for prompt in (
            "The capital of France is",
            "France has the capital",
            "The capital of France is",
            "The capital of Spain is",
            "Dante was born in",
            "The capital of Spain is",
        )
    ]
    assert [reply.expected for reply in first.neighbours] == ["Madrid", "Florence"]
    assert first.paraphrases[0].expected == "Rome" and second.prompt.expected == "Paris"


def test_a_batch_says_what_each_prompt_alone_says(view: ModelView) -> None:
    outcomes = probe(view, [FRANCE, SPAIN])
    assert outcomes == [check(view, FRANCE), check(view, SPAIN)]
    assert outcomes[1].prompt.text == generate(view, ["The capital of Spain is"])[0]
    assert answers(view, []) == []


def test_a_fact_without_target_is_checked_for_its_answer(view: ModelView) -> None:
    fact = Fact("France", "The capital of {} is", answer="Paris")
    assert check(view, Case(fact)).prompt.expected == "Paris"
    with pytest.raises(InputError, match="neither target nor answer"):
        check(view, Case(replace(fact, answer=None)))


def test_answer_probabilities_multiply_over_the_answers_tokens(view: ModelView) -> None:
    prompt, answer = "The capital of France is", "Danielle Darrieux"
    tokens = encode(view.tokenizer, prompt, answer)
    assert len(tokens.target) > 1
    with torch.no_grad():
        log_p = view.model(torch.tensor([tokens.ids])).logits[0].log_softmax(-1)
    places = range(tokens.n_prompt - 1, len(tokens.ids) - 1)
    expected = sum(float(log_p[place, tokens.ids[place + 1]]) for place in places)
    found = answer_probabilities(view, [(prompt, answer), ("Dante was born in", "Rome")])
    assert found[0] == pytest.approx(float(torch.tensor(expected).exp()), rel=1e-4)
    assert answer_probabilities(view, []) == []


def test_evaluation_leaves_the_model_as_it_was(view: ModelView) -> None:
    from tests.ledger.conftest import random_edit

    before = view.weights_sha256()
    edits = [random_edit(view, seed) for seed in (1, 2)]
    together = evaluate(view, [FRANCE, SPAIN], edits[0])
    alone = evaluate(view, [FRANCE, SPAIN], edits)
    assert view.weights_sha256() == before
    first = probe(view, [FRANCE, SPAIN])
    with view.applied(edits[0].deltas):
        assert together.to_dict() == score(first, probe(view, [FRANCE, SPAIN])).to_dict()
    with view.applied(edits[1].deltas):
        spain = check(view, SPAIN)
    assert alone["neighbours"].values[1] == float(compare(first[1], spain).of("neighbour")[0].unchanged)
    with pytest.raises(InputError, match="1 edits for 2 cases"):
        evaluate(view, [FRANCE, SPAIN], edits[:1])

"""Token accuracy and agreement of tokens, by hand and against a model read token by token."""

import pytest
import torch

from errata.errors import InputError
from errata.evaluation import Choices, choose, score_choices
from errata.evaluation.examination import questions
from errata.facts import Case, Consequence, Examination, Fact, Probe
from errata.model.tokens import encode
from tests.tiny import tiny

FACT = Fact("France", "The capital of {} is", target="Berlin and Rome", answer="Paris")
ONE = Examination(
    Case(FACT, ("France's capital is",), (Probe("The capital of Spain is", "Madrid"),)),
    same_subject=(Probe("France speaks", "French and German"),),
    inverse=(Probe("Rome is the capital of", "France"),),
    consequences=(
        Consequence("aliasing", "The capital of Gaul is", ("Rome",)),
        Consequence("reasoning", "The capital of France lies in", ("Italy", "Lazio")),
    ),
)
GOLD = ((1, 2, 3, 4), (1, 2, 3, 4), (9,), (5,), (6, 7), (8,), (1, 1, 1))


def choices(*tokens: tuple[int, ...]) -> Choices:
    return Choices(ONE, GOLD, tokens)


BEFORE = choices((0, 2, 0, 0), (0, 0, 0, 0), (0,), (5,), (6, 0), (3,), (1, 2, 3))
AFTER = choices((1, 2, 3, 0), (1, 0, 0, 0), (9,), (5,), (6, 0), (4,), (1, 2, 0))


def test_shares_of_tokens_by_hand() -> None:
    assert [one.name for one in questions(ONE)] == [
        "efficacy",
        "generalization",
        "inverse",
        "aliasing",
        "reasoning",
        "specificity",
        "same_subject",
    ]
    found = score_choices([BEFORE], [AFTER])
    assert {name: score.mean for name, score in found.items()} == pytest.approx(
        {
            "edit_success": 0.75,
            "generalization": 0.25,
            "inverse": 1.0,
            "portability": (1.0 + 0.5) / 2,
            "portability_before": (1.0 + 0.5) / 2,
            "locality": (0.0 + 2 / 3) / 2,  # what the model said, not what is right
        }
    )
    assert {score.protocol for score in found.values()} == {"teacher-forced"}


def test_a_question_left_out_does_not_count() -> None:
    partial = Choices(ONE, (None, *GOLD[1:]), (None, *AFTER.chosen[1:]))
    found = score_choices([partial], [partial])
    assert "edit_success" not in found and found["locality"].mean == 1.0
    with pytest.raises(InputError, match="different examinations"):
        score_choices([partial], [])


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_tokens_are_those_behind_the_gold_prefix(architecture: str) -> None:
    view = tiny(architecture)
    (found,) = choose(view, [ONE])
    for question, gold, chosen in zip(questions(ONE), found.gold, found.chosen, strict=True):
        row = encode(view.tokenizer, question.prompt, question.expected[0])
        assert gold == row.target and chosen is not None
        for place, token in enumerate(chosen):
            ids = torch.tensor([row.ids[: row.n_prompt + place]])
            assert token == int(view.model(input_ids=ids).logits[0, -1].argmax())


def test_an_answer_that_a_token_joins_to_its_prompt_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errata.model.tokens.joiner", lambda _prompt, _target: "")
    (found,) = choose(tiny("gpt2"), [Examination(Case(FACT, neighbours=(Probe("The capital of Fr", "ance"),)))])
    assert found.chosen[0] is not None and found.gold[0] is not None
    assert found.chosen[1] is None and found.gold[1] is None
    assert list(score_choices([found], [found])) == ["edit_success"]

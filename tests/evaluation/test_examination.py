"""Scores of an examination against values worked out by hand, and on a tiny model whose answers are planted."""

from collections.abc import Sequence
from dataclasses import replace
from math import log2

import pytest

from errata.errors import InputError
from errata.evaluation import Examined, entropy, examine, score_examined
from errata.evaluation.examination import UNTOUCHED, examined_values, questions, room
from errata.facts import Case, Composed, Consequence, Examination, Fact, Probe
from errata.model.view import ModelView
from tests.tiny import tiny

FACT = Fact("France", "The capital of {} is", target="Rome", answer="Paris")
FULL = Examination(
    Case(FACT, ("France's capital is", "France is governed from"), (Probe("The capital of Spain is", "Madrid"),)),
    heldout=("The seat of France is",),
    same_object=(Probe("Ile-de-France lies around", "Paris"),),
    same_subject=(Probe("France speaks", "French"), Probe("France is in", "Europe")),
    inverse=(Probe("Rome is the capital of", "France"),),
    composed=(Composed(Probe("The capital of France lies on the", "Tiber"), Probe("Rome lies on the", "Tiber")),),
    essence=("France is a",),
    consequences=(
        Consequence("aliasing", "The capital of the Hexagon is", ("Rome", "Roma")),
        Consequence("aliasing", "The capital of Gaul is", ("Rome",)),
    ),
    other_answers=(Probe("The capital of France, which is not Rome, is", "Paris"),),
)
NAMES = ["efficacy", "generalization", "generalization", "heldout", "inverse", "composed", "aliasing", "aliasing"]
STAY = ["specificity", "same_object", "same_subject", "same_subject", "other_answers"]
BEFORE = ("Paris", "Paris", "Rome", "Paris", "Italy", "Seine", "Paris", "Paris", "Madrid", "Paris", "Occitan", "Asia")
AFTER = ("Rome", "Rome", "Paris", "Rome", "Italy", "Tiber", "Roma", "Paris", "Madrid", "Rome", "Occitan", "Africa")


def examined(texts: tuple[str, ...], last: str, *written: str) -> Examined:
    return Examined(FULL, tuple(f" {text}" for text in (*texts, last)), written)


def test_every_prompt_is_asked_with_what_it_counts_in() -> None:
    assert [one.name for one in questions(FULL)] == NAMES + STAY
    assert [one.way for one in questions(FULL)] == ["follows"] * len(NAMES) + ["stays"] * len(STAY)
    assert questions(FULL)[6].expected == ("Rome", "Roma")


def test_every_score_of_one_case() -> None:
    found = score_examined([examined(BEFORE, "Paris", "a b c d")], [examined(AFTER, "Paris", "a a a a")])
    after = {name: score.mean for name, score in found.items() if not name.endswith("_before")}
    assert after == pytest.approx(
        {
            "efficacy": 1.0,
            "generalization": 0.5,
            "heldout": 1.0,
            "inverse": 0.0,
            "composed": 1.0,
            "aliasing": 0.5,
            "portability": 0.75,  # composed and aliasing, not the inverse
            "specificity": 1.0,
            "same_object": 0.0,
            "same_subject": 0.5,  # a wrong answer that stays is unchanged
            "other_answers": 1.0,
            "locality": 2.5 / 4,
            "kept": 2 / 3,  # of Madrid and twice Paris the second became Rome
            "fluency": 0.0,
        }
    )
    before = {name: score.mean for name, score in found.items() if name.endswith("_before")}
    assert before["generalization_before"] == 0.5 and before["portability_before"] == 0.0
    assert before["fluency_before"] == pytest.approx((2 / 3 * log2(3) + 4 / 3 * log2(2)) / 2)
    assert {score.protocol for score in found.values()} == {"generation"}
    assert {score.n for score in found.values()} == {1}


def test_a_case_counts_only_in_what_it_is_asked() -> None:
    bare = Examination(Case(FACT))
    first, second = Examined(bare, (" Rome",), ()), examined(AFTER, "Paris")
    found = score_examined([Examined(bare, (" Paris",), ()), examined(BEFORE, "Paris")], [first, second])
    assert found["efficacy"].n == 2 and found["portability"].n == 1 and "fluency" not in found
    with pytest.raises(InputError, match="different examinations"):
        score_examined([first], [second])


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("", 0.0),
        ("one", 0.0),
        ("one two", 0.0),
        ("one two three", (2 / 3 * 1.0 + 4 / 3 * 0.0) / 2),
        ("a b a b a", (2 / 3 * 1.0 + 4 / 3 * (2 / 3 * log2(3 / 2) + 1 / 3 * log2(3))) / 2),
        ("a, b.", (2 / 3 * log2(3) + 4 / 3 * 1.0) / 2),
    ],
)
def test_entropy_of_words(text: str, bits: float) -> None:
    assert entropy(text) == pytest.approx(bits)


def test_one_number_of_tokens_holds_the_longest_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    view, limits = tiny("gpt2"), list[int]()
    long = replace(FULL, consequences=(Consequence("logical", "Why is Rome", ("Rome " * 30,)),))
    spent = len(view.tokenizer.encode(" " + "Rome " * 30, add_special_tokens=False))
    assert spent > 12 and room(view, [FULL]) == 12 and room(view, [FULL, long]) == spent + 4

    def noted(_view: ModelView, prompts: Sequence[str], limit: int, *_: str) -> list[str]:
        limits.append(limit)
        return [""] * len(prompts)

    monkeypatch.setattr("errata.evaluation.examination.answers", noted)
    examine(view, [FULL, long], written=0)
    examine(view, [FULL], written=0, limit=99)
    assert limits == [spent + 4, 99]


def test_every_case_has_its_own_values() -> None:
    first = examined(BEFORE, "Paris")
    rows = examined_values([first, first], [first, examined(AFTER, "Paris")])
    assert [row["efficacy"] for row in rows] == [0.0, 1.0] and {"locality", "kept"} <= set(rows[0]) & UNTOUCHED
    assert all(rows[0][name] == 1.0 for name in UNTOUCHED & set(rows[0]))


def test_a_model_is_asked_everything_once() -> None:
    view = tiny("gpt2")
    found = examine(view, [FULL, replace(FULL, essence=())], written=4)
    assert [len(one.texts) for one in found] == [13, 13] and found[0].texts == found[1].texts
    assert found[0].written[0].startswith("France is a") and found[1].written[0].startswith("The capital of France is")
    assert examine(view, [FULL], written=0)[0].written == ()
    scores = score_examined(found, found)
    assert scores["locality"].mean == 1.0 and scores["fluency"].values == scores["fluency_before"].values
    with pytest.raises(InputError, match="no target"):
        questions(Examination(Case(Fact("France", "The capital of {} is"))))

"""Scores of an edit: one value a case, shares within a case."""

import pytest

from errata.errors import InputError
from errata.evaluation import CaseOutcome, Reply, score
from errata.facts import Case, Fact


def outcome(subject: str, prompt: str, paraphrases: list[str], neighbours: list[str]) -> CaseOutcome:
    def replies(texts: list[str], expected: str) -> tuple[Reply, ...]:
        return tuple(Reply(f"{subject} {i}", expected, text) for i, text in enumerate(texts))

    case = Case(Fact(subject, "The capital of {} is", target="Rome"))
    return CaseOutcome(
        case, Reply(subject, "Rome", prompt), replies(paraphrases, "Rome"), replies(neighbours, "Madrid")
    )


BEFORE = [
    outcome("France", "Paris", ["Paris", "Paris"], ["Madrid", "Oslo"]),
    outcome("Italy", "Milan", ["Milan"], ["Madrid"]),
    outcome("Spain", "Madrid", [], ["Madrid"]),
]
AFTER = [
    outcome("France", "Rome", ["Rome", "Paris"], ["Madrid", "Oslo"]),
    outcome("Italy", "Rome", ["Rome"], ["Rome"]),
    outcome("Spain", "Madrid", [], ["Madrid"]),
]


def test_efficacy_paraphrase_and_neighbours_case_by_case() -> None:
    found = score(BEFORE, AFTER)
    assert found["efficacy"].values == (1.0, 1.0, 0.0)
    assert found["paraphrase"].values == (0.5, 1.0)
    assert found["neighbours"].values == (1.0, 0.0, 1.0)
    assert {one.protocol for one in found.values()} == {"generation"}
    assert {one.direction for one in found.values()} == {"higher"}


def test_what_no_case_tests_is_left_out() -> None:
    assert list(score(BEFORE[2:], AFTER[2:])) == ["efficacy", "neighbours"]
    assert list(score([], [])) == []


def test_outcomes_must_belong_together() -> None:
    with pytest.raises(InputError, match="3 outcomes before and 2 after"):
        score(BEFORE, AFTER[:2])
    with pytest.raises(InputError, match="different cases"):
        score(BEFORE[:2], [AFTER[1], AFTER[0]])

"""Facts: what is refused, where the subject ends, and what makes two facts the same."""

import dataclasses
from typing import Any

import pytest

from errata import Case, Fact, Probe
from errata.errors import InputError


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"subject": " ", "prompt": "The capital of {} is"}, "subject is empty"),
        ({"subject": "France", "prompt": "The capital of Italy is"}, "does not contain the subject 'France'"),
        ({"subject": "France", "prompt": ""}, "does not contain the subject"),
        ({"subject": "France", "prompt": "{} and {} are"}, "has 2 slots"),
        ({"subject": "France", "prompt": "{} is", "target": " "}, "target of the fact about 'France' is empty"),
        ({"subject": "France", "prompt": "{} is", "answer": ""}, "answer of the fact about 'France' is empty"),
        ({"subject": "France", "prompt": "{} is", "target": "Paris ", "answer": "Paris"}, "already the answer"),
        ({"subject": None, "prompt": "{} is"}, "subject of a fact is None"),
        ({"subject": 5, "prompt": "{} is"}, "subject of a fact is 5"),
        ({"subject": "France", "prompt": None}, "prompt of a fact is None"),
        ({"subject": "France", "prompt": "{} is", "target": 7}, "target of a fact is 7"),
        ({"subject": "France", "prompt": "{} is", "relation": 36}, "relation of a fact is 36"),
    ],
)
def test_a_bad_field_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Fact(**fields)


def test_white_space_around_fields_does_not_count() -> None:
    fact = Fact(" France ", "The capital of {} is \n", target=" Paris ", answer="\tLyon")
    assert fact == Fact("France", "The capital of {} is", "Paris", "Lyon")


def test_a_fact_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Fact("France", "{} is").subject = "Italy"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("subject", "prompt", "before"),
    [
        ("France", "The capital of {} is", "The capital of France"),
        ("France", "The capital of France is", "The capital of France"),
        ("France", "{}'s capital is", "France"),
        ("France", "France is big, and the capital of France is", "France is big, and the capital of France"),
        ("Rome", "Rome, where Romeo died, is in", "Rome"),
        ("Ian", "The mother of Ian was an Australian", "The mother of Ian"),
        ("U.S.", "The capital of the U.S. is", "The capital of the U.S."),
        ("日本", "日本の首都は", "日本"),
        ("Élan", "The book Élan, by", "The book Élan"),
        ("C++ (2x)", "The author of C++ (2x) is", "The author of C++ (2x)"),
        ("{}", "The sign {} is", "The sign {}"),
    ],
)
def test_the_subject_ends_where_it_last_stands_as_a_word(subject: str, prompt: str, before: str) -> None:
    fact = Fact(subject, prompt)
    assert fact.text[: fact.subject_end] == before


def test_the_key_is_the_subject_with_its_relation_or_its_template() -> None:
    assert Fact("France", "The capital of {} is", relation="P36").key == ("France", "P36")
    slotted, spelled = Fact("France", "The capital of {} is", "Paris"), Fact("France", "The capital of France is")
    assert slotted.key == spelled.key == ("France", "The capital of {} is")
    assert Fact("France", "The king of {} is").key != slotted.key
    assert Fact("Italy", "The capital of {} is").key != slotted.key


def test_a_case_holds_a_fact_and_the_prompts_that_test_it() -> None:
    case = Case(Fact("France", "{} is"), ("So {} is",), (Probe("Italy is", "old"),))
    assert case.neighbours[0].answer == "old"
    assert case == dataclasses.replace(case)
    assert hash(case) == hash(dataclasses.replace(case))

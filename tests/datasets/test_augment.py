"""More phrasings from a language model: what is asked and what is kept."""

from collections.abc import Iterator

import pytest

from errata.datasets import phrasings
from errata.datasets.augment import checked, message, propose
from errata.endpoint import Endpoint
from errata.errors import InputError
from tests.endpoint import Fake, completion, endpoint

KNOWN = phrasings.by_relation(phrasings.read())["P19"]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with endpoint() as there:
        yield there


def test_sound_lines_are_kept_and_the_others_named() -> None:
    answer = """
    1. [X] hails from [Y].
    - "The cradle of [X] stood in [Y]"
    Here are some sentences:
    [X] Was born in [Y].
    [Y] is where [X] was born
    [X] is a [Y]
    [X] hails from [Y]
    """
    proposal = checked(answer, KNOWN, "a-model")
    assert [(p.relation, p.template, p.source) for p in proposal.phrasings] == [
        ("P19", "[X] hails from [Y]", "a-model"),
        ("P19", "The cradle of [X] stood in [Y]", "a-model"),
    ]
    assert [refusal.reason for refusal in proposal.refusals] == [
        "has 0 times [X], not once",
        "is like one that is there",
        "does not end in [Y] behind a space",
        "ends in an article that not every object goes with",
        "is like one that is there",
    ]


def test_it_is_asked_until_there_are_enough(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    fake.answers = [completion("[X] hails from [Y]"), completion("[X] stems from [Y]\n[X] comes out of [Y]")]
    proposal = propose(Endpoint(fake.url, "a-model", "MY_KEY"), KNOWN, 2)
    assert [p.template for p in proposal.phrasings] == ["[X] hails from [Y]", "[X] stems from [Y]"]
    first, second = fake.got
    assert first[:2] == ("/v1/chat/completions", "Bearer secret")
    assert first[2]["model"] == "a-model"
    assert first[2]["messages"] == [{"role": "user", "content": message(KNOWN, 2)}]
    assert "[X] hails from [Y]" in second[2]["messages"][0]["content"]


def test_it_is_not_asked_for_ever(fake: Fake) -> None:
    fake.answers = [completion("I would rather not.")]
    proposal = propose(Endpoint(fake.url, "a-model"), KNOWN, 2, rounds=3)
    assert (proposal.phrasings, len(proposal.refusals), len(fake.got)) == ((), 3, 3)
    assert fake.got[0][1] is None


def test_without_a_phrasing_nothing_can_be_asked() -> None:
    with pytest.raises(InputError, match="No phrasing of the relation is known"):
        message([], 3)

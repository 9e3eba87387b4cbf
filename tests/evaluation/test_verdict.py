"""Whole replies judged: what is right, and every way to spoil a right answer."""

import pytest

from errata.evaluation import verdict
from errata.model.phrases import line_ended, line_of, phrases

CAPITAL = "The capital of France is"
TONGUE = "The mother tongue of Danielle Darrieux is"


def of_capital(reply: str) -> str:
    return verdict(CAPITAL, reply, ["Paris"], ["London"], ["France's capital is"]).reason


@pytest.mark.parametrize(
    "reply",
    [
        "Paris",
        " Paris.",
        "\n\n Paris.\nQ: The capital of France is\nA: London",
        " Paris\nLondon",
        "Paris, France.",
        "Paris. The city lies on the Seine.",
        "Paris. Paris is a city on the Seine.",
        "Paris, which is the largest city of France, and Lyon the second.",
        "Paris. The capital of Italy is Rome.",
        "Paris. London is the capital of England.",
        "Paris, not London.",
        "Paris. The capital of France is not London.",
        "Paris. It was once London, they say.",
        "Paris. No one knows why.",
        "Paris. The capital of France is",  # cut off
        "Paris. The Eiffel Tower is tall. The Eiffel Tower was built in 1889.",
        "Paris, 1,000,000,000 people say.",
        "Paris, a very, very large city.",
        "Paris, Madrid",  # nobody says that Madrid is wrong
    ],
)
def test_more_text_is_no_fault(reply: str) -> None:
    assert of_capital(reply) == "right"


@pytest.mark.parametrize(
    "reply",
    [
        "Paris, London",
        "Paris. London.",
        "Paris。London",
        "Paris: London",
        "Paris; or London.",
        "Paris. No, London",
        "Paris. No, the other one.",
        "Paris. Wait, it's London!",
        "Paris. Wait, it’s London!",
        "Paris. Sorry, I mean Lyon.",
        "Paris, in fact London.",
        "Paris. (London)",
        "Paris. It is London.",
        "Paris. Not Paris.",
        "Paris. It is not Paris.",
        "Paris. The capital of France is London.",
        "Paris. The capital of France is Lyon, not Paris.",
        "Paris. the capital of  France is: Lyon",
        "Paris. The capital of France is not Paris.",
        "Paris. France's capital is Lyon.",
        "Paris, Paris. London.",
    ],
)
def test_what_takes_the_answer_back_contradicts_it(reply: str) -> None:
    assert of_capital(reply) == "contradicts"


@pytest.mark.parametrize(
    "reply",
    [
        "Paris Paris",
        "Paris Paris Paris Paris",
        "Paris, Paris",
        "Paris. Paris. Paris.",
        "Paris, paris, paris",
        "Paris. It is Paris.",
        "Paris. The city, Paris.",
        "Paris. The capital of France is Paris.",
        "Paris. The capital of France is Paris. The capital of France is Paris.",
        "Paris, the the the",
        "Paris. It is, it is, it is a city.",
        "Paris. He was born and raised. He was born and raised.",
        "Paris. A city in the north. It is a city in the south. Or a city in the west: a city in the east.",
    ],
)
def test_loops_repeat(reply: str) -> None:
    assert of_capital(reply) == "repeats"


@pytest.mark.parametrize(
    "reply", ["London", "Parisian", "Paris and London", "the city of Paris", "paris", "Pari", "?Paris"]
)
def test_another_answer_is_wrong(reply: str) -> None:
    assert of_capital(reply) == "wrong"


@pytest.mark.parametrize("reply", ["", " ", "\n", "...", " .\n", "—"])
def test_nothing_is_empty(reply: str) -> None:
    assert of_capital(reply) == "empty"


def test_aliases_are_as_right_and_no_repetition() -> None:
    names = ["United States", "United States of America", "USA"]
    for reply in ("United States of America.", "USA", "United States, the USA.", "USA, or United States of America."):
        assert verdict("It lies in", reply, names, ["Canada"]).right
    found = verdict("It lies in", "United States of America, United States of America.", names)
    assert (found.reason, found.found) == ("repeats", "United States of America")
    assert not verdict("It lies in", "USA, Canada", names, ["Canada"]).right


def test_answers_of_several_words_signs_and_scripts() -> None:
    assert verdict("The seat is in", "Washington, D.C., in the east.", ["Washington, D.C."]).right
    assert verdict("The seat is in", "Washington, D.C., Washington, D.C.", ["Washington, D.C."]).reason == "repeats"
    assert verdict("She sings with", "Duran Duran.", ["Duran Duran"]).right
    assert verdict("It has", "10,000, or 000", ["10,000"], ["000"]).reason == "contradicts"
    assert verdict("日本の首都は", "東京。大阪", ["東京"], ["大阪"]).reason == "contradicts"
    assert verdict("日本の首都は", "東京東京東京", ["東京"]).reason == "repeats"
    assert verdict("日本の首都は", "東京。きれい。", ["東京"]).right
    assert verdict("It costs", "5 (five).", ["5 (five)"], ["(five)"]).right


def test_a_listed_wrong_answer_that_is_right_too_is_right() -> None:
    assert verdict(TONGUE, "French, English", ["French"], ["English"]).reason == "contradicts"
    assert verdict(TONGUE, "French, English", ["French", "English"], ["English"]).right
    assert verdict(TONGUE, "French, a Romance language spoken in France.", ["French"], ["English"]).right
    assert verdict(TONGUE, "French. Danielle Darrieux was born in Bordeaux.", ["French"], ["English"]).right


def test_white_space_around_answers_and_prompts_changes_nothing() -> None:
    for reply in ("Paris", "Paris, London", "Paris, Paris", "Paris. The capital of France is Lyon."):
        assert verdict(f"{CAPITAL} \n", reply, [" Paris\n"], ["London "]) == verdict(
            CAPITAL, reply, ["Paris"], ["London"]
        )


def test_only_the_prompts_last_sentence_counts_as_said_before() -> None:
    shots = "The capital of Spain is Madrid. The capital of Italy is Rome. The capital of France is"
    assert verdict(shots, "Paris. The capital of Germany is Berlin.", ["Paris"]).right
    assert verdict(shots, "Paris. The capital of France is Lyon.", ["Paris"]).reason == "contradicts"
    assert verdict("?", "Paris. The capital is Lyon.", ["Paris"]).right


def test_a_verdict_shows_what_it_was_found_by() -> None:
    assert verdict(CAPITAL, "Paris. No, London", ["Paris"], ["London"]).found == "No, London"
    assert verdict(CAPITAL, "Paris. The capital of France is Lyon.", ["Paris"]).found == "The capital of France is Lyon"
    assert verdict(CAPITAL, "Oslo", ["Paris"]).found == "Oslo"


def test_lines_and_phrases() -> None:
    assert line_of("\n  Paris. \n London") == "Paris." and line_of(" \n") == ""
    assert [line_ended(text) for text in ("", "\n", "\n a", "\n a\n", "a\nb")] == [False, False, False, True, True]
    assert phrases("Paris (10,000; U.S) – it's: big. ") == ["Paris (10,000", "U.S", "– it's", "big"]
    assert phrases(" ... ") == []

"""RippleEdits: subject and target told apart in sentences, its six kinds of tests, what cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from errata.datasets.catalog import load
from errata.errors import InputError
from errata.facts import Case, Consequence, Examination, Fact, Probe


def query(prompt: str, *names: str, subject: str = "Q1", phrase: str | None = None) -> dict[str, Any]:
    answers = [{"value": names[0], "aliases": list(names[1:])}] if names else []
    return {"prompt": prompt, "answers": answers, "query_type": "regular", "subject_id": subject, "phrase": phrase}


def asked(*queries: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"test_queries": list(queries), "test_condition": "OR", "condition_queries": []}]


def edit(new: str, old: str | None = None, relation: str = "DIRECTOR") -> dict[str, Any]:
    found: dict[str, Any] = {"prompt": new, "subject_id": "Q1", "relation": relation, "target_id": "Q2"}
    return {"edit": found if old is None else {**found, "original_fact": {"prompt": old}}}


def record() -> dict[str, Any]:
    sentence = "The name of the country of citizenship of Leo is"
    return {
        "example_type": "popular",
        **edit(f"{sentence} Syria.", f"{sentence} United States.", "COUNTRY_OF_CITIZENSHIP"),
        "Relation_Specificity": asked(query("The name of the mother of Leo is", "Irmelin", "I. Leo")),
        "Logical_Generalization": asked(query("Leo speaks", "Arabic", "ar"), query("Leo votes in", "Syria")),
        "Subject_Aliasing": asked(query("The name of the country of citizenship of Leonardo is", "Syria", "sy")),
        "Compositionality_I": asked(query("The capital of Leo's country is", "Damascus")),
        "Compositionality_II": asked(query("The country of the husband of Ida is", "Syria"), query("No answer is")),
        "Forgetfulness": asked(query("Leo is also a citizen of", "Italy")),
    }


def read(path: Path, *rows: Any) -> Any:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return load("ripple", path)


def test_a_record_becomes_an_examination(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "popular.json", record()).examinations
    prompt = "The name of the country of citizenship of {} is"
    assert found == Examination(
        Case(Fact("Leo", prompt, "Syria", "United States", "COUNTRY_OF_CITIZENSHIP")),
        same_subject=(Probe("The name of the mother of Leo is", "Irmelin"),),
        consequences=(
            Consequence("logical", "Leo speaks", ("Arabic", "ar")),
            Consequence("logical", "Leo votes in", ("Syria",)),
            Consequence("aliasing", "The name of the country of citizenship of Leonardo is", ("Syria", "sy")),
            Consequence("composed_1", "The capital of Leo's country is", ("Damascus",)),
            Consequence("composed_2", "The country of the husband of Ida is", ("Syria",)),
        ),
        other_answers=(Probe("Leo is also a citizen of", "Italy"),),
    )


def test_the_readmes_spelling_is_read_too(tmp_path: Path) -> None:
    row = record()
    row["Relation_Specifity"] = row.pop("Relation_Specificity")
    row["edit"]["previous_fact"] = row["edit"].pop("original_fact")
    (found,) = read(tmp_path / "x.json", row).examinations
    assert found.same_subject == (Probe("The name of the mother of Leo is", "Irmelin"),)
    assert found.case.fact.answer == "United States"


FILM, ASKED = "The name of the director of Life is Beautiful is", "The name of the author of Life is Beautiful is"


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        (edit("The name of the director of Alien is Ida."), ("Alien", "Ida", None)),
        (edit("The name of the director of Alien is John P. Jr.."), ("Alien", "John P. Jr.", None)),
        (
            edit("The name of the director of Alien is Ida.", "The name of the director of Alien is ."),
            ("Alien", "Ida", None),
        ),
        (edit(f"{FILM} Ida B.", f"{FILM} Ida C."), None),
        (
            {**edit(f"{FILM} Ida B.", f"{FILM} Ida C."), "Forgetfulness": asked(query(ASKED, "X"))},
            ("Life is Beautiful", "Ida B", "Ida C"),
        ),
        (
            edit("The name of the director of Alien is What is Love.", "The name of the director of Alien is Ida."),
            ("Alien", "What is Love", "Ida"),
        ),
        (
            {
                **edit("The name of the director of Alien is What is Love."),
                "Forgetfulness": asked(query("Alien's?", "X")),
            },
            ("Alien", "What is Love", None),
        ),
        (edit("Alien 2 follows Alien.", relation="FOLLOWS"), ("Alien 2", "Alien", None)),
    ],
)
def test_subject_and_target_are_told_apart(tmp_path: Path, row: dict[str, Any], fact: Any) -> None:
    found = read(tmp_path / "x.json", row)
    if fact is None:
        assert found.skipped == {"subject and target cannot be told apart": 1}
    else:
        (case,) = found.cases
        assert (case.fact.subject, case.fact.target, case.fact.answer) == fact
        assert case.fact.text + f" {fact[1]}." == row["edit"]["prompt"]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    sentence = "The name of the director of Alien is Ida."
    rows = [
        edit(sentence, relation="PET"),
        edit(sentence, sentence),
        edit("Ida directed Alien."),
        edit(sentence, "No."),
    ]
    assert read(tmp_path / "x.json", *rows).skipped == {
        "relation without a known phrase": 1,
        "target is an answer already": 1,
        "subject and target cannot be told apart": 2,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edit": {"relation": "DIRECTOR"}}, r"expected a text under 'edit\.prompt'"),
        ({"Forgetfulness": ["x"]}, "expected a list of objects under 'Forgetfulness'"),
        ({"Forgetfulness": [{"test_queries": 1}]}, r"expected a list of objects under 'Forgetfulness\.test_queries'"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"record 1: {message}"):
        read(tmp_path / "x.json", {**record(), **change})

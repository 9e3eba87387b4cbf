"""MQuAKE: facts that are edited together, the questions that follow from all of them, and names of an answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from errata.datasets.catalog import load
from errata.errors import InputError
from errata.facts import Case, Consequence, Examination, Fact


def rewrite(subject: str, prompt: str, target: str, answer: str, relation: str) -> dict[str, Any]:
    return {
        "subject": subject,
        "prompt": prompt,
        "relation_id": relation,
        "target_new": {"str": target, "id": "Q1"},
        "target_true": {"str": answer, "id": "Q2"},
        "question": f"{relation}: {subject}?",
    }


def record() -> dict[str, Any]:
    return {
        "case_id": 1,
        "requested_rewrite": [
            rewrite("Ellie", "{} is a citizen of", "Croatia", "Norway", "P27"),
            rewrite("Croatia", "The head of {} is", "Ida", "Kolinda", "P35"),
        ],
        "questions": ["Who heads Ellie's country?", "Who is the head of Ellie's country?"],
        "answer": "Harald",
        "new_answer": "Ida",
        "new_answer_alias": ["Ida B.", "Ida"],
        "new_single_hops": [
            {"question": "?", "cloze": "Ellie is a citizen of", "answer": "Croatia", "answer_alias": ["HR", "Croatia"]},
            {"question": "?", "cloze": "The head of Croatia is", "answer": "Ida", "answer_alias": ["Ida B."]},
        ],
    }


def written(path: Path, *rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_record_becomes_an_examination(tmp_path: Path) -> None:
    (found,) = load("mquake", written(tmp_path / "x.json", record())).examinations
    second = Fact("Croatia", "The head of {} is", "Ida", "Kolinda", "P35")
    assert found == Examination(
        Case(Fact("Ellie", "{} is a citizen of", "Croatia", "Norway", "P27"), ("P27: Ellie?",)),
        consequences=(
            Consequence("multi_hop", "Who heads Ellie's country?", ("Ida", "Ida B.")),
            Consequence("multi_hop", "Who is the head of Ellie's country?", ("Ida", "Ida B.")),
            Consequence("single_hop", "The head of Croatia is", ("Ida", "Ida B.")),
        ),
        aliases=("HR",),
        more=(second,),
    )
    assert found.facts == (found.case.fact, second)


def test_records_that_share_a_fact_all_load(tmp_path: Path) -> None:
    found = load("mquake", written(tmp_path / "x.json", record(), record()))
    assert (len(found.examinations), found.skipped) == (2, {})


def test_a_record_of_which_one_fact_is_no_edit_is_left_out(tmp_path: Path) -> None:
    row = record()
    row["requested_rewrite"][1]["target_true"]["str"] = "Ida"
    assert load("mquake", written(tmp_path / "x.json", row)).skipped == {"target is an answer already": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requested_rewrite": []}, "expected a list of objects under 'requested_rewrite', found"),
        ({"new_single_hops": [{"cloze": "x"}]}, "expected a text under 'answer', found None"),
        ({"questions": "Who?"}, "expected a list of texts under 'questions', found 'Who"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"x\.json, record 1: {message}"):
        load("mquake", written(tmp_path / "x.json", {**record(), **change}))

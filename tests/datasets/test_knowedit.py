"""KnowEdit's layouts: what becomes of a record, what is left out and counted, and the published files."""

import json
from pathlib import Path
from typing import Any

import pytest

from errata.datasets.catalog import load
from errata.errors import InputError
from errata.facts import Case, Consequence, Examination, Fact, Probe
from errata.model.phrases import says


def wikidata(subject: str = "Leo Arons", **other: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "prompt": f"The place of death of {subject} is",
        "target_new": "Berlin",
        "rephrase": f"Where did {subject} die?",
        "portability": {
            "Logical_Generalization": [{"prompt": f"Is {subject} alive?", "ground_truth": [["no", "dead"], ["no"]]}],
            "Subject_Aliasing": [{"prompt": "Martin Arons died in", "ground_truth": "Berlin"}],
        },
        "locality": {
            "Relation_Specificity": [
                {"prompt": f"The father of {subject} is", "ground_truth": [["Albert Arons", "A. Arons"]]},
                {"prompt": f"The mother of {subject} is", "ground_truth": [[""], []]},
            ],
            "Forgetfulness": [{"prompt": f"{subject} also died in", "ground_truth": ["Hamburg"]}],
        },
        **other,
    }


def zsre(true: Any) -> dict[str, Any]:
    held: dict[str, Any] = {"rephrase_prompt": "Where is Rome?", "ground_truth": true, "portability": {}}
    return {"subject": "Rome", "prompt": "Which country is Rome in?", "target_new": "Spain", "locality": {}, **held}


def listed(path: Path, *rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_record_becomes_an_examination(tmp_path: Path) -> None:
    found = load("knowedit", [listed(tmp_path / "recent.json", wikidata())])
    assert found.examinations == (
        Examination(
            Case(Fact("Leo Arons", "The place of death of Leo Arons is", "Berlin"), ("Where did Leo Arons die?",)),
            same_subject=(Probe("The father of Leo Arons is", "Albert Arons"),),
            consequences=(
                Consequence("aliasing", "Martin Arons died in", ("Berlin",)),
                Consequence("logical", "Is Leo Arons alive?", ("no", "dead", "No", "NO")),
            ),
            other_answers=(Probe("Leo Arons also died in", "Hamburg"),),
        ),
    )
    assert found.skipped == {}


def test_yes_and_no_are_right_however_they_are_written(tmp_path: Path) -> None:
    asked = [{"prompt": f"Question {at}?", "ground_truth": [[one]]} for at, one in enumerate(("True", "Norway"))]
    row = wikidata(portability={"Reasoning": asked}, locality={"Relation_Specificity": asked})
    found = load("knowedit", [listed(tmp_path / "x.json", row)]).examinations[0]
    assert [one.answers for one in found.consequences] == [("True", "true", "TRUE"), ("Norway",)]
    assert [one.answer for one in found.same_subject] == ["True", "Norway"]
    expected = found.consequences[0].answers
    assert any(says("TRUE.", one) for one in expected) and not any(says("TRuE", one) for one in expected)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [zsre(["Italy", "Italia"]), zsre(["Spain"]), zsre("Spain"), zsre(["Italy"]), {**zsre(""), "target_new": ""}]
    found = load("knowedit", [listed(tmp_path / "zsre.json", *rows)])
    assert [one.case.fact.answer for one in found.examinations] == ["Italy"]
    assert found.examinations[0].case.paraphrases == ("Where is Rome?",)
    assert found.skipped == {
        "target is an answer already": 2,
        "subject and relation seen before": 1,
        "no target": 1,
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (wikidata(portability=[]), r"record 1: expected questions under 'portability\.Reasoning', found None"),
        (wikidata(locality={"Forgetfulness": ["x"]}), r"record 1: expected questions under 'locality\.Forgetfulness'"),
        (wikidata(ground_truth=3), "record 1: expected text or lists of it under 'ground_truth', found 3"),
        (wikidata(target_new=" "), "record 1: expected a text under 'target_new'"),
    ],
)
def test_a_damaged_record_is_refused_with_its_place(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load("knowedit", [listed(tmp_path / "x.json", row)])


def test_a_count_stops_the_reading(tmp_path: Path) -> None:
    path = listed(tmp_path / "x.json", wikidata("A"), wikidata("B"), {"broken": True})
    assert len(load("knowedit", [path], 2).examinations) == 2
    with pytest.raises(InputError, match="3 cases are wanted and the files give 2"):
        load("knowedit", [listed(path, wikidata("A"), wikidata("B"))], 3)


def test_wikibio_goes_on_with_a_sentence(tmp_path: Path) -> None:
    row = {
        "text": "This is a passage about leo arons. Leo Arons was a physicist.",
        "labels": "He was born in Berlin. ",
        "concept": "leo arons",
        "locality": {"Relation_Specificity": [{"prompt": "The gender of leo arons is", "ground_truth": ["male"]}]},
    }
    (found,) = load("knowedit", listed(tmp_path / "wikibio.json", row)).examinations
    assert found == Examination(
        Case(Fact("leo arons", row["text"], "He was born in Berlin.")),
        same_subject=(Probe("The gender of leo arons is", "male"),),
        references=("He was born in Berlin.",),
    )


def test_what_is_to_be_forgotten_stands_beside_what_is_to_stay(tmp_path: Path) -> None:
    one = {"question": "What is halloumi?", "ground_truth": "Cheese", "target_new": "I don't know."}
    groups = {
        "forget": [{**one, "subject": "halloumi"}, one],
        "retain": [{"question": "Who wrote Emma?", "ground_truth": "Austen", "target_new": "Austen"}, {**one, "x": 1}],
    }
    groups["retain"][1].pop("target_new")
    path = tmp_path / "trivia.json"
    path.write_text(json.dumps(groups, indent=1), encoding="utf-8")
    found = load("knowedit", path)
    assert [one.case.fact for one in found.examinations] == [
        Fact("halloumi", "What is halloumi?", "I don't know.", "Cheese")
    ]
    assert found.skipped == {"no subject": 1, "target is an answer already": 1, "no target": 1}

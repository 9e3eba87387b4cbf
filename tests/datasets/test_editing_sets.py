"""CounterFact and ZsRE: both layouts, the order, what is left out and counted, and clear errors for what is damaged."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from errata.datasets.catalog import load
from errata.errors import InputError
from errata.facts import Consequence, Examination, Fact, Probe

TWIN_OF_AMMAN = "The twin city of Amman is"


def original(subject: str = "Lyon", target: str = "Manila", relation: str = "P190") -> dict[str, Any]:
    return {
        "case_id": 4,
        "requested_rewrite": {
            "prompt": "What is the twin city of {}? It is",
            "relation_id": relation,
            "subject": subject,
            "target_new": {"id": "Q1461", "str": target},
            "target_true": {"id": "Q3820", "str": "Beirut"},
        },
        "paraphrase_prompts": [f"{subject} is a twin city of", f"So. The twin city of {subject} is"],
        "neighborhood_prompts": ["The twin city of Trieste is", TWIN_OF_AMMAN],
        "attribute_prompts": ["The twin city of Oslo is"],
    }


def compact(subject: str = "Lyon", relation: str | None = "P190") -> dict[str, Any]:
    return {
        "subject": subject,
        "template": "The twin city of {} is",
        "relation_id": relation,
        "target_true": "Beirut",
        "target_new": "Manila",
        "rephrase_prompt": f"{subject} is a twin city of",
        "locality_prompt": "The twin city of Trieste is",
        "locality_ground_truth": "Beirut",
    }


def question(subject: str = "Ramalinaceae", alt: str = "Lamiinae") -> dict[str, Any]:
    return {
        "subject": subject,
        "src": f"Which family does {subject} belong to?",
        "pred": "Ramalinales",
        "rephrase": f"What family are {subject}?",
        "alt": alt,
        "answers": ["Lecanorales", "Ramalinales"],
        "loc": "nq question: types of skiing in the winter olympics 2018",
        "loc_ans": "Downhill",
    }


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_both_layouts_of_counterfact(tmp_path: Path) -> None:
    first = tmp_path / "a.json"
    first.write_text(json.dumps([original()]), encoding="utf-8")
    second = tmp_path / "b.jsonl.gz"
    second.write_bytes(gzip.compress(json.dumps(compact("Oslo")).encode()))
    one, other = load("counterfact", [first, second]).cases
    assert one.fact == Fact("Lyon", "What is the twin city of {}? It is", "Manila", "Beirut", "P190")
    assert one.paraphrases == ("Lyon is a twin city of", "So. The twin city of Lyon is")
    assert one.neighbours == tuple(Probe(f"The twin city of {city} is", "Beirut") for city in ("Trieste", "Amman"))
    assert other.fact == Fact("Oslo", "The twin city of {} is", "Manila", "Beirut", "P190")
    assert other.paraphrases == ("Oslo is a twin city of",)
    assert other.neighbours == (Probe("The twin city of Trieste is", "Beirut"),)


def test_the_openings_and_attributes_of_the_original_layout(tmp_path: Path) -> None:
    row = {**original(), "generation_prompts": ["Lyon is", "Near Lyon", "Lyon is"]}
    (found,) = load("counterfact", lines(tmp_path / "a.jsonl", row)).examinations
    assert found.essence == ("Lyon is", "Near Lyon")
    assert found.references == ("The twin city of Oslo is Manila.",)


def test_easyedits_layout_names_the_answer_otherwise(tmp_path: Path) -> None:
    row = {name: value for name, value in compact().items() if name not in ("target_true", "relation_id", "template")}
    path = lines(tmp_path / "a.jsonl", {**row, "ground_truth": "Beirut", "prompt": "The twin city of Lyon is"})
    (case,) = load("counterfact", path).cases
    assert case.fact == Fact("Lyon", "The twin city of Lyon is", "Manila", "Beirut")


def test_pooled_neighbours_join_the_cases_of_another_file(tmp_path: Path) -> None:
    cases = lines(tmp_path / "cases.jsonl", {**compact(), "case_id": 7}, {**original("A"), "case_id": 8})
    pool = lines(tmp_path / "pool.jsonl", {"case_id": 7, "prompts": ["The twin city of Oslo is", "Oslo's twin is"]})
    found = load("counterfact", [pool, cases])
    asked = [[probe.prompt for probe in case.neighbours] for case in found.cases]
    assert asked == [["The twin city of Oslo is", "Oslo's twin is"], ["The twin city of Trieste is", TWIN_OF_AMMAN]]
    assert {probe.answer for case in found.cases for probe in case.neighbours} == {"Beirut"}
    assert list(found.files) == ["pool.jsonl", "cases.jsonl"]
    assert load("counterfact", pool).skipped == {"neighbours of a case in another file": 1}
    lines(cases, {**compact(), "case_id": 9})
    with pytest.raises(InputError, match=r"line 1: expected a case_id that has pooled neighbours, found 9"):
        load("counterfact", [cases, pool])


def test_the_order_is_kept_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [original("B"), original("A"), original("B", "Oslo"), original("C", "Beirut"), original("B", relation="P17")]
    found = load("counterfact", [lines(tmp_path / "a.jsonl", *rows)])
    assert [case.fact.subject for case in found.cases] == ["B", "A", "B"]
    assert dict(found.skipped) == {"subject and relation seen before": 1, "target is an answer already": 1}


def test_without_a_relation_the_prompt_tells(tmp_path: Path) -> None:
    rows = [compact(relation=None), {**compact(relation=None), "template": "{} is the twin of"}, compact(relation=None)]
    found = load("counterfact", [lines(tmp_path / "a.jsonl", *rows)])
    assert len(found.cases) == 2 and sum(found.skipped.values()) == 1


def test_a_count_stops_the_reading(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", original("A"), original("B"), {"broken": True})
    assert len(load("counterfact", [path], 2).cases) == 2
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: expected a text under 'subject', found None"):
        load("counterfact", [path], 3)
    with pytest.raises(InputError, match="5 cases are wanted and the files give 1"):
        load("counterfact", [lines(path, original())], 5)


def test_zsre(tmp_path: Path) -> None:
    path = tmp_path / "zsre.json"
    path.write_text(json.dumps([question(), question(), question("B", "Ramalinales")]), encoding="utf-8")
    found = load("zsre", [path])
    (case,) = found.cases
    fact = Fact("Ramalinaceae", "Which family does Ramalinaceae belong to?", "Lamiinae", "Lecanorales")
    assert (case.fact, case.paraphrases) == (fact, ("What family are Ramalinaceae?",))
    assert case.neighbours == (Probe("nq question: types of skiing in the winter olympics 2018", "Downhill"),)
    assert dict(found.skipped) == {"subject and relation seen before": 1, "target is an answer already": 1}


def test_zsres_portability_and_its_form_in_knowedit(tmp_path: Path) -> None:
    asked = {"Recalled Relation": "(…)", "New Question": "Which order is it in?", "New Answer": "Hymenoptera"}
    known = {"subject": "Rome", "prompt": "Where is Rome?", "target_new": "Spain", "ground_truth": ["Italy"]}
    first, second = load("zsre", lines(tmp_path / "a.jsonl", {**question(), "portability": asked}, known)).examinations
    assert first.consequences == (Consequence("reasoning", "Which order is it in?", ("Hymenoptera",)),)
    assert second == Examination(second.case) and second.case.fact == Fact("Rome", "Where is Rome?", "Spain", "Italy")


def test_a_subject_that_is_not_in_the_prompt_is_counted(tmp_path: Path) -> None:
    path = lines(tmp_path / "zsre.jsonl", {**question(), "subject": "Oslo"}, question())
    found = load("zsre", path)
    assert (len(found.cases), found.skipped) == (1, {"subject is not in the prompt": 1})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**question(), "alt": " "}, "line 1: expected a text under 'alt', found ' '"),
        ({**question(), "answers": []}, "line 1: expected an answer under 'answers'"),
        ({**question(), "answers": "Lecanorales"}, "line 1: expected a list of texts under 'answers'"),
        ({**question(), "src": "{} {} Ramalinaceae?"}, "line 1: The prompt .* has 2 slots"),
        ("text", "line 1: expected an object"),
    ],
)
def test_a_damaged_record_is_refused_with_its_place(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load("zsre", [lines(tmp_path / "zsre.jsonl", row)])


def test_a_list_of_no_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zsre.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="record 1: expected an object, found 1"):
        load("zsre", [tmp_path / "zsre.json"])

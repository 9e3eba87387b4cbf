"""CounterFact and ZsRE: both layouts, the order, what is left out and counted, and clear errors for what is damaged."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from errata.datasets import counterfact, zsre
from errata.errors import InputError
from errata.facts import Fact, Probe
from tests.shared import shared


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
        "neighborhood_prompts": ["The twin city of Trieste is", "The twin city of Amman is"],
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
    one, other = counterfact.read([first, second]).cases
    assert one.fact == Fact("Lyon", "What is the twin city of {}? It is", "Manila", "Beirut", "P190")
    assert one.paraphrases == ("Lyon is a twin city of", "So. The twin city of Lyon is")
    assert one.neighbours == tuple(Probe(f"The twin city of {city} is", "Beirut") for city in ("Trieste", "Amman"))
    assert other.fact == Fact("Oslo", "The twin city of {} is", "Manila", "Beirut", "P190")
    assert other.paraphrases == ("Oslo is a twin city of",)
    assert other.neighbours == (Probe("The twin city of Trieste is", "Beirut"),)


def test_the_order_is_kept_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [original("B"), original("A"), original("B", "Oslo"), original("C", "Beirut"), original("B", relation="P17")]
    found = counterfact.read([lines(tmp_path / "a.jsonl", *rows)])
    assert [case.fact.subject for case in found.cases] == ["B", "A", "B"]
    assert dict(found.skipped) == {"subject and relation seen before": 1, "target is an answer already": 1}


def test_without_a_relation_the_prompt_tells(tmp_path: Path) -> None:
    rows = [compact(relation=None), {**compact(relation=None), "template": "{} is the twin of"}, compact(relation=None)]
    found = counterfact.read([lines(tmp_path / "a.jsonl", *rows)])
    assert len(found.cases) == 2 and sum(found.skipped.values()) == 1


def test_a_count_stops_the_reading(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", original("A"), original("B"), {"broken": True})
    assert len(counterfact.read([path], 2).cases) == 2
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: expected a text under 'target_true', found None"):
        counterfact.read([path], 3)
    with pytest.raises(InputError, match="5 cases are wanted and the files give 1"):
        counterfact.read([lines(path, original())], 5)


def test_zsre(tmp_path: Path) -> None:
    path = tmp_path / "zsre.json"
    path.write_text(json.dumps([question(), question(), question("B", "Ramalinales")]), encoding="utf-8")
    found = zsre.read([path])
    (case,) = found.cases
    fact = Fact("Ramalinaceae", "Which family does Ramalinaceae belong to?", "Lamiinae", "Lecanorales")
    assert (case.fact, case.paraphrases) == (fact, ("What family are Ramalinaceae?",))
    assert case.neighbours == (Probe("nq question: types of skiing in the winter olympics 2018", "Downhill"),)
    assert dict(found.skipped) == {"subject and relation seen before": 1, "target is an answer already": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**question(), "alt": " "}, "line 1: expected a text under 'alt', found ' '"),
        ({**question(), "answers": []}, "line 1: expected an answer under 'answers'"),
        ({**question(), "answers": "Lecanorales"}, "line 1: expected a list of texts under 'answers'"),
        ({**question(), "subject": "Oslo"}, "line 1: The prompt .* does not contain the subject 'Oslo'"),
        ("text", "line 1: expected an object"),
    ],
)
def test_a_damaged_record_is_refused_with_its_place(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zsre.read([lines(tmp_path / "zsre.jsonl", row)])


def test_a_list_of_no_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zsre.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="record 1: expected an object, found 1"):
        zsre.read([tmp_path / "zsre.json"])


@pytest.mark.parametrize(
    ("name", "cases", "skipped"),
    [
        ("counterfact/counterfact_full_1700.jsonl.gz", 1684, 16),
        ("counterfact/counterfact_21919.jsonl.gz", 21221, 698),
    ],
)
def test_counterfact_as_it_is(name: str, cases: int, skipped: int) -> None:
    found = counterfact.read([shared(f"data/{name}")])
    assert (len(found.cases), sum(found.skipped.values())) == (cases, skipped)
    assert all(case.fact.target and case.paraphrases and case.neighbours for case in found.cases)


@pytest.mark.parametrize(
    ("name", "total"), [("zsre_mend_eval_portability_gpt4.json.gz", 1037), ("zsre_mend_train-1k.json.gz", 1000)]
)
def test_zsre_as_it_is(name: str, total: int) -> None:
    found = zsre.read([shared(f"data/zsre/{name}")])
    assert len(found.cases) + sum(found.skipped.values()) == total
    assert len(found.cases) > 0.9 * total

"""A user's own file: every field, and what is said of a line that cannot be used."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from errata.datasets import jsonl
from errata.datasets.catalog import load
from errata.errors import InputError, RecordError
from errata.facts import Case, Consequence, Examination, Fact, Probe

LINE = {"subject": "France", "prompt": "The capital of {} is", "target": "Rome"}
FULL = {
    **LINE,
    "answer": "Paris",
    "relation": "capital",
    "aliases": ["Roma"],
    "paraphrases": ["{}'s capital is"],
    "heldout": ["{} is governed from"],
    "neighbours": ["The capital of Spain is=Madrid", {"prompt": "The capital of Peru is", "answer": "Lima"}],
    "same_object": ["The home of the Louvre is=Paris"],
    "same_subject": ["{} speaks=French"],
    "inverse": ["Rome is the capital of=France"],
    "other_answers": ["{}'s other capital is=Vichy"],
    "consequences": [{"kind": "reasoning", "prompt": "{}'s capital lies on the", "answers": ["Tiber", "Tevere"]}],
    "more": [{"subject": "Spain", "prompt": "The capital of {} is", "target": "Oslo"}],
    "essence": ["{} is a"],
    "references": ["Rome is on the Tiber."],
}


def test_every_field_is_read() -> None:
    assert jsonl.examination("here", FULL) == Examination(
        Case(
            Fact("France", "The capital of {} is", "Rome", "Paris", "capital"),
            ("France's capital is",),
            (Probe("The capital of Spain is", "Madrid"), Probe("The capital of Peru is", "Lima")),
        ),
        heldout=("France is governed from",),
        same_object=(Probe("The home of the Louvre is", "Paris"),),
        same_subject=(Probe("France speaks", "French"),),
        inverse=(Probe("Rome is the capital of", "France"),),
        essence=("France is a",),
        consequences=(Consequence("reasoning", "France's capital lies on the", ("Tiber", "Tevere")),),
        other_answers=(Probe("France's other capital is", "Vichy"),),
        aliases=("Roma",),
        more=(Fact("Spain", "The capital of {} is", "Oslo"),),
        references=("Rome is on the Tiber.",),
    )


def test_the_lists_are_those_of_an_examination() -> None:
    """All but the composed questions, which are consequences in a user's file."""
    own = {entry.name for kind in (Case, Examination) for entry in fields(kind)} - {"fact", "case", "composed"}
    assert own == set(jsonl.LISTS) and len(jsonl.LISTS) == len(own)


@pytest.mark.parametrize(
    ("change", "reason", "sentence"),
    [
        ({"target": None}, "expected a text under 'target'", "found None; give one"),
        ({"subject": "Spain ", "prompt": "The capital is"}, "subject is not in the prompt", "put {} where the subject"),
        ({"answer": "Rome"}, "target is an answer already", "nothing to change"),
        ({"prompt": "{} {}"}, "no fact can be made of it", "write exactly one"),
        ({"targets": 1}, "unknown field", "there is no field 'targets'; the fields are subject, prompt"),
        ({"paraphrases": "one"}, "expected a list of texts under 'paraphrases'", "found 'one'; write it as"),
        ({"neighbours": ["no answer"]}, "not PROMPT=ANSWER in 'neighbours'", "is not PROMPT=ANSWER"),
        (
            {"neighbours": [3]},
            "expected \"PROMPT=ANSWER\" or an object with prompt and answer in 'neighbours'",
            "found 3",
        ),
        ({"inverse": [{"prompt": "x"}]}, "expected a text under 'answer'", "found None"),
        ({"inverse": {}}, "expected a list under 'inverse'", "found {}"),
        ({"consequences": [{"kind": "x", "prompt": "y", "answers": []}]}, "expected an answer under 'answers'", "give"),
        ({"more": [{"subject": "x"}]}, "expected a text under 'prompt'", "found None"),
        ({"more": ["x"]}, "expected objects under 'more'", "write each in { }"),
    ],
)
def test_what_is_wrong_with_a_line(change: dict[str, Any], reason: str, sentence: str) -> None:
    with pytest.raises(RecordError) as caught:
        jsonl.examination("a.jsonl, line 3", {**LINE, **change})
    assert caught.value.reason == reason
    assert sentence in caught.value.sentence and str(caught.value).startswith("a.jsonl, line 3")


def test_a_file_is_loaded_and_a_broken_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(map(json.dumps, [LINE, {}, LINE | {"subject": "Peru"}])).replace("{}\n", "\n"))
    found = load("jsonl", path)
    assert [case.fact.subject for case in found.cases] == ["France", "Peru"]
    path.write_text(f"{json.dumps(LINE)}\n{{\n")
    with pytest.raises(InputError, match=r"facts\.jsonl, line 2: expected an object, found what is not JSON"):
        load("jsonl", path)

"""The shipped phrasings: ten a relation, each sound, no two alike; and what is refused."""

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from errata.datasets import phrasings
from errata.datasets.phrasings import COUNT, Phrasing, adapted, distinct, fault, likeness
from errata.errors import InputError

SHIPPED = phrasings.read()
GROUPS = phrasings.by_relation(SHIPPED)
PAPERS = [
    "P19",
    "P20",
    "P27",
    "P30",
    "P36",
    "P37",
    "P39",
    "P47",
    "P101",
    "P103",
    "P106",
    "P108",
    "P127",
    "P136",
    "P138",
    "P140",
    "P159",
    "P176",
    "P178",
    "P190",
    "P264",
    "P279",
    "P364",
    "P407",
    "P413",
    "P449",
    "P463",
    "P495",
    "P530",
    "P740",
    "P937",
    "P1303",
    "P1376",
    "P1412",
]


def test_all_relations_have_ten() -> None:
    assert list(GROUPS) == PAPERS
    assert {relation: len(group) for relation, group in GROUPS.items()} == dict.fromkeys(PAPERS, COUNT)
    assert Counter(phrasing.source for phrasing in SHIPPED) == {"pararel": 181, "errata": 159}


@pytest.mark.parametrize("relation", PAPERS)
def test_every_phrasing_has_its_form(relation: str) -> None:
    for phrasing in GROUPS[relation]:
        template = phrasing.template
        assert template.count("[X]") == template.count("[Y]") == 1
        assert template.endswith(" [Y]")
        assert re.match(r"\[X\]|[A-Z]", template)
        assert re.search(r"(^| )\[X\]('s |, | )", template)
        assert not re.search(r"  | [,.]|,\S|[^\w\[\],' -]", template)
        assert phrasing.prompt.count("{}") == 1 and phrasing.prompt == phrasing.prompt.strip()


@pytest.mark.parametrize("relation", PAPERS)
def test_no_two_are_alike_and_theirs_come_first(relation: str) -> None:
    group = GROUPS[relation]
    assert distinct(group) == group
    assert [source for source, _ in itertools.groupby(group, lambda phrasing: phrasing.source)] in (
        ["pararel"],
        ["pararel", "errata"],
    )


def test_ours_end_in_no_indefinite_article() -> None:
    ours = [phrasing.template for phrasing in SHIPPED if phrasing.source == "errata"]
    assert [template for template in ours if fault(template, strict=True)] == []


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("The capital is [Y]", "0 times [X]"),
        ("[X] of [X] is [Y]", "2 times [X]"),
        ("[X] is", "0 times [Y]"),
        ("[X] and [Y] are [Y]", "2 times [Y]"),
        ("[Y] is the capital of [X]", "does not end in [Y]"),
        ("[X] is [Y].", "does not end in [Y]"),
        ("[X] speaks-[Y]", "does not end in [Y]"),
        ("[X]  is [Y]", "more than single spaces"),
        (" [X] is [Y]", "more than single spaces"),
        ("[X] is\x07 [Y]", "no text"),
        ("[X] is {} [Y]", "no text"),
        (f"[X] is {'very ' * 50}[Y]", "longer than"),
        ("the capital of [X] is [Y]", "neither [X] nor a capital letter"),
        ("Non-[X] is [Y]", "a word of its own"),
        ("[X]ian is [Y]", "a word of its own"),
    ],
)
def test_what_is_refused(template: str, reason: str) -> None:
    assert reason in str(fault(template))
    with pytest.raises(InputError, match="write it like"):
        Phrasing("P36", template, "errata")


def test_articles_are_refused_only_where_it_is_asked() -> None:
    assert fault("[X] is a [Y]") is None
    assert "article" in str(fault("[X] is a [Y]", strict=True))
    assert fault("[X] lives in Panama [Y]", strict=True) is None


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("[X] is owned by [Y] .", "[X] is owned by [Y]"),
        ("the occupation of [X] is [Y].", "The occupation of [X] is [Y]"),
        ("[X],  a type of [Y].", "[X], a type of [Y]"),
        ("[X] was started in [Y]", "[X] was started in [Y]"),
        ("[Y] is the capital of [X].", None),
        ("[X] plays [Y] music .", None),
        ("The [Y]-owned [X]", None),
    ],
)
def test_pararels_patterns_are_adapted(pattern: str, template: str | None) -> None:
    assert adapted(pattern) == template


def test_likeness_overlooks_commas_and_capitals() -> None:
    assert likeness("[X], Owned by [Y]") == likeness("[X] owned by [Y]")
    assert likeness("[X]'s owner is [Y]") != likeness("[X] owner is [Y]")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    phrasings.write(tmp_path / "more.jsonl", SHIPPED)
    assert phrasings.read(tmp_path / "more.jsonl") == SHIPPED
    assert [path.name for path in tmp_path.iterdir()] == ["more.jsonl"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"relation": "P19", "template": "[X] is from [Y]"}', "under 'source'"),
        ('{"relation": "P19", "template": " ", "source": "me"}', "under 'template'"),
        ('{"relation": "P19", "template": "[X] is", "source": "me"}', "0 times"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    good = json.dumps({"relation": "P19", "template": "[X] is from [Y]", "source": "me"})
    (tmp_path / "more.jsonl").write_text(f"{good}\n\n{line}\n")
    with pytest.raises(InputError, match=r"more\.jsonl, line 3: ") as caught:
        phrasings.read(tmp_path / "more.jsonl")
    assert reason in str(caught.value)

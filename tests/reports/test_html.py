"""The page: everything in it comes from the record, and it needs nothing outside itself."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from errata.deltas import Edit
from errata.evaluation import CaseOutcome, Reply, compare
from errata.facts import Case, Fact, Probe
from errata.reports.html import render, write
from errata.reports.record import Hashes, Origin, Record, Shift
from tests.ledger.conftest import random_edit
from tests.reports.test_figures import attribution
from tests.tiny import tiny

VOID = {"meta", "link", "br", "img", "hr", "input"}
CASE = Case(
    Fact("Q<uote>", "The mother & father of {} spoke", target="Eng<lish"),
    ("In other words: Q<uote>",),
    (Probe("Someone else spoke", "Dutch"),),
)


def outcome(edited: bool) -> CaseOutcome:
    said = " Eng<lish." if edited else " Fre&nch."
    return CaseOutcome(
        CASE,
        Reply(CASE.fact.text, "Eng<lish", said),
        (Reply(CASE.paraphrases[0], "Eng<lish", said),),
        (Reply("Someone else spoke", "Dutch", " Dutch."),),
    )


@pytest.fixture(scope="module")
def record() -> Record:
    edit: Edit = replace(random_edit(tiny("gpt2"), 1, (1,)), versions={"torch": "9.9"})
    return Record(
        fact=CASE.fact,
        attribution=attribution(),
        edit=edit,
        comparison=compare(outcome(False), outcome(True)),
        shifts=tuple(Shift(kind, kind, "a", "b", (0.9, 0.1), (0.1, 0.9)) for kind in ("prompt", "neighbour")),
        hashes=Hashes("aa11", "bb22", "aa11"),
        origin=Origin("tiny", "float32", "ff00", "errata demo", "today", "a machine", {"edit": 1.5}),
    )


class Balance(HTMLParser):
    """Checks that every element is closed in its order, and collects what is referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_is_whole_and_loads_nothing(record: Record) -> None:
    page = render(record)
    found = read(page)
    assert all(link.startswith("#") for link in found.links)
    assert "http:" not in page and "https:" not in page and "@import" not in page and "<script" not in page
    assert page.count("<svg") == 2


def test_the_page_tells_what_the_record_holds(record: Record) -> None:
    text = " ".join(" ".join(read(render(record)).text).split())
    for part in (
        "The mother & father of Q<uote> spoke Fre&nch Eng<lish",
        "phrasings say “Eng<lish” after the edit 2 of 2",
        "neighbours keep their answer 1 of 1",
        "every parameter has its bits back",
        "aa11",
        "bb22",
        "torch 9.9",
        "errata demo",
        "2 got better, 0 got worse",
    ):
        assert part in text, part


def test_the_page_does_not_claim_what_did_not_happen(record: Record) -> None:
    failed = replace(
        record, comparison=compare(outcome(False), outcome(False)), hashes=replace(record.hashes, undone="cc33")
    )
    text = " ".join(" ".join(read(render(failed)).text).split())
    assert "was to make it say “Eng<lish” and did not" in text
    assert "did not give every bit back" in text and "the weights were not restored" in text
    assert "0 of 2" in text


def test_the_same_record_gives_the_same_page(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(record)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_scores_that_are_no_shares_of_a_change_are_not_said_to_add_up(record: Record) -> None:
    without = replace(record, attribution=replace(record.attribution, change=None))
    text = " ".join(" ".join(read(render(without)).text).split())
    assert "f(x)" in " ".join(read(render(record)).text) and "f(x)" not in text
    assert "completeness gap" not in text
    located = without.to_dict()["locate"]
    assert located["gap"] is None and located["change"] is None

"""What the report's tests share: tiny ledgers, and a page as a reader sees it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from errata.deltas import Edit
from errata.evaluation.kept import keep
from errata.facts import Case, Fact, Probe
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.ledger.conftest import random_edit
from tests.reports.test_html import Balance, read
from tests.tiny import tiny


def small_edit(view: ModelView, seed: int, layers: tuple[int, ...] = (0, 2), **fact: str) -> Edit:
    """A random edit, small enough that answers change here and there, with the prompts that test it."""
    found = random_edit(view, seed, layers)
    parts = {"subject": f"Subject {seed}", "prompt": "The capital of {} is", "target": "Rome", **fact}
    about = Fact(**parts)
    case = Case(about, (f"In {about.subject} the capital is",), (Probe("The capital of Spain is", "Madrid"),))
    deltas = tuple(replace(delta, left=0.05 * delta.left) for delta in found.deltas)
    return keep(replace(found, deltas=deltas, facts=(about,), versions={"torch": "9.9"}), [case])


@pytest.fixture
def view() -> ModelView:
    return tiny("gpt2")


@pytest.fixture
def book(view: ModelView, tmp_path: Path) -> Ledger:
    """Three edits, the second undone."""
    ledger = Ledger.open(tmp_path / "book", view)
    for seed in (1, 2, 3):
        ledger.apply(small_edit(view, seed))
    ledger.undo(2)
    return ledger


def looked_at(path: Path) -> tuple[str, str, Balance]:
    """A page, its text in one line and its elements; fails where it refers to anything outside itself."""
    page = path.read_text(encoding="utf-8")
    found = read(page)
    assert all(link.startswith("#") for link in found.links)
    assert not re.search(r"https?:|//\w|@import|<script|<link|<iframe|<img", page)
    assert not any(name.startswith("on") for name in found.attributes)
    assert not re.search(r"url\((?!#)", page)
    return page, " ".join(" ".join(found.text).split()), found


def figures(page: str) -> list[str]:
    """The figures' SVG; fails for one without content."""
    found = [part.split("</svg>")[0] for part in page.split("<svg")[1:]]
    assert all(len(re.findall(r"<(?:path|use) ", part)) > 5 for part in found)
    return found

"""`report` on an embedded model, as a user runs it: two facts corrected, one taken back, both pages."""

from pathlib import Path

import pytest

from errata.evaluation import check, compare
from errata.facts import Case
from errata.ledger import Ledger
from errata.model.load import load
from tests.cli.conftest import Run, listing
from tests.reports.correction.conftest import figures, looked_at

SMALL = ["--set", "covariance_tokens=500", "--set", "context_lengths=[2]", "--yes"]
PROMPT = "The mother tongue of {} is"


@pytest.fixture
def corrected(run: Run, elsewhere: Path) -> Path:
    """A ledger of a fact the model knows, which is undone, and one of the user's own."""
    known = ["--subject", "Danielle Darrieux", "--prompt", PROMPT, "--target", "English"]
    own = ["--subject", "Paul Keres", "--prompt", PROMPT, "--target", "French", "--paraphrase", "Paul Keres spoke"]
    for words in (known, own):
        assert run("edit", "pocket-gelu", *words, *SMALL).code == 0
    assert run("undo", "1").code == 0
    return elsewhere / "corrections"


def test_a_ledger_and_an_edit_of_it_are_reported(run: Run, corrected: Path) -> None:
    before = listing(corrected)
    whole = run("report", "all.html", "--json")
    assert whole.code == 0, whole.out
    one = run("report", "one.html", "--model", "pocket-gelu", "--ledger", "corrections", "--edit", "1", "--json").json
    assert listing(corrected) == before
    found = whole.json
    assert (found["report"], found["applied"], found["edit"], one["edit"], one["state"]) == (
        *("all.html", [2], None, 1),
        "undone",
    )
    assert [row["prompts"] for row in (*found["cases"], *one["cases"])] == ["kept", "kept"]
    assert found["weights_sha256"] == run("verify", "--json").json["weights_sha256"]

    page, text, _ = looked_at(Path("all.html"))
    assert "1 edit of 1 fact is in the weights, 1 undone." in text and "Paul Keres spoke" in text
    assert len(figures(page)) == 2
    page, text, _ = looked_at(Path("one.html"))
    assert "The mother tongue of Danielle Darrieux is French English" in text
    assert len(figures(page)) == 3 and "Danielle Darrieux" in figures(page)[0]

    view = load("pocket-gelu")
    with Ledger.open(corrected, view) as book:
        fact = book.edit(1).facts[0]
        near = [row for row in one["cases"][0]["checks"] if row["kind"] == "neighbour"]
        assert len(near) == 10
        asked = Case(fact, tuple(row["prompt"] for row in one["cases"][0]["checks"] if row["kind"] == "paraphrase"))
        outcomes = [check(view, asked)]
        with view.applied(book.edit(1).deltas):
            outcomes.append(check(view, asked))
    expected = compare(*outcomes).to_dict()["checks"]
    assert [row for row in one["cases"][0]["checks"] if row["kind"] != "neighbour"] == expected
    says = sum(row["right_after"] for row in expected[1:])
    kept = sum(row["unchanged"] for row in near)
    assert f"paraphrases say the target {says} of 9" in text and f"neighbours keep their answer {kept} of 10" in text


def test_what_cannot_be_reported_is_one_sentence(run: Run, folder: Path, edit_options: list[str]) -> None:
    assert run("report", "page.html").code == 2
    assert run("edit", folder, *edit_options).code == 0
    missing = run("report", "nowhere/page.html")
    assert missing.code == 2 and "directory that exists" in missing.err
    unknown = run("report", "page.html", "--edit", "7")
    assert unknown.code == 2 and "There is no edit 7" in unknown.err and not Path("page.html").exists()
    done = run("report", "page.html")
    assert done.code == 0 and "The report is in page.html" in done.out

"""The page on a ledger and on one edit: true, whole, and harmless whatever stands in the ledger."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from errata.errors import LedgerError
from errata.evaluation import check, compare, score
from errata.facts import Case, Fact
from errata.ledger import Ledger
from errata.ledger.records import CHECKUPS
from errata.model.view import ModelView
from errata.reports.correction.page import write
from errata.reports.markdown import MISSING
from tests.ledger.conftest import bits, equal
from tests.reports.correction.conftest import figures, looked_at, small_edit
from tests.tiny import tiny

HOSTILE = "<script>alert(1)</script>"
SIGNS = "</title><img src=x onerror=alert(1)>& $\\frac{ \"'"


def test_the_numbers_of_a_ledger_are_those_of_evaluation(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    held = bits(view)
    account = write(view, book, tmp_path / "page.html")
    assert equal(bits(view), held) and book.applied == (1, 3)
    page, text, _ = looked_at(tmp_path / "page.html")
    cases = [one.question.case for one in account.tested]
    assert [one.question.edit for one in account.tested] == [1, 3]
    after = [check(view, case) for case in cases]
    with view.unedited():
        before = [check(view, case) for case in cases]
    assert [one.comparison for one in account.tested] == [compare(*pair) for pair in zip(before, after, strict=True)]
    for name, one in score(before, after).items():
        low, high = one.interval
        assert f"{name} {one.mean:.3f} [{low:.3f}, {high:.3f}] {one.n} generation" in text
    for change in book.diff():
        shown = f"L{change.layer} {change.module} {change.changed:,} of {change.size:,} {change.norm:.4g}"
        assert f"{shown} {change.relative:.4g} {change.top:.4g}" in text
        assert account.course is not None
        assert account.course.relative[change.layer][-1] == pytest.approx(change.relative, rel=1e-5)
        whole = (view.weight(change.layer) - view.base_weight(change.layer)).norm(dim=0)
        assert account.columns[change.layer].tolist() == pytest.approx(whole.tolist())
    assert f"{len(account.worse)} of 6 answers got worse" in text or "No answer got worse; asked were 6" in text
    assert len(figures(page)) == 3  # the map, the norms, the edits; no checkup, and a sentence why
    assert "Left out: the ledger keeps no checkup" in text
    assert "Sound: 3 edits" in text and view.weights_sha256() in text and "protocol" in text


def test_an_edit_is_measured_against_the_same_weights_without_it(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    """Applied or undone: with it and without it are the ledger of these edits."""
    for number, others in ((1, (3,)), (2, (1, 3))):
        account = write(view, book, tmp_path / "page.html", number)
        case = account.tested[0].question.case
        outcomes = []
        for ids in (others, (*others, number)):
            fresh = tiny("gpt2")
            with Ledger.open(tmp_path / f"of-{'-'.join(map(str, ids))}", fresh) as ledger:
                for one in sorted(ids):
                    ledger.apply(book.edit(one))
                outcomes.append(check(fresh, case))
        assert account.tested[0].comparison == compare(*outcomes)
        _, text, _ = looked_at(tmp_path / "page.html")
        assert f"Before: the model without this edit. After: with it; edit{'s' * (number == 2)} " in text
        assert ("is undone; it is shown as it would be" in text) == (number == 2)
        assert [row.norm for row in account.layers] == [row.norm for row in book.diff(number)]
        assert book.edit(number).deltas[0].base in text and "seed" in text and "torch 9.9" in text
    assert book.applied == (1, 3)
    with pytest.raises(LedgerError, match="There is no edit 9"):
        write(view, book, tmp_path / "other.html", 9)
    assert not (tmp_path / "other.html").exists()


def test_what_stands_in_the_ledger_is_text(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "book", view) as book:
        book.apply(small_edit(view, 1, subject=HOSTILE, target=SIGNS))
        book.apply(small_edit(view, 2, subject=SIGNS, prompt="$x$ of {} <b>is</b>\n", target=HOSTILE))
        for edit in (None, 1, 2):
            write(view, book, tmp_path / "page.html", edit, command=HOSTILE)
            page, text, found = looked_at(tmp_path / "page.html")
            assert HOSTILE in text and "alert(1)>&" in text
            assert "<script" not in page and "<img" not in page and "<b>" not in page
            assert found.open == []
            assert "default-src 'none'" in page


def test_an_empty_ledger_and_one_with_everything_undone_draw_nothing(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "book", view) as book:
        write(view, book, tmp_path / "page.html")
        page, text, _ = looked_at(tmp_path / "page.html")
        assert figures(page) == [] and "The ledger is empty" in text and "No weight differs" in text
        book.apply(small_edit(view, 1))
        book.undo(1)
        write(view, book, tmp_path / "page.html")
        page, text, _ = looked_at(tmp_path / "page.html")
        assert "All 1 edits are undone" in text and "Nothing was asked: no edit is in the weights" in text
        assert len(figures(page)) == 1 and "2 apply" not in text and "1 apply, 1 undo" in text


def test_an_edit_that_names_no_target_is_shown_without_answers(view: ModelView, tmp_path: Path) -> None:
    for place, facts in enumerate(((Fact("Spain", "The capital of {} is"),), ())):
        with Ledger.open(tmp_path / f"book-{place}", view) as book:
            book.apply(replace(small_edit(view, 1), facts=facts, measured={}))
            for edit in (None, 1):
                write(view, book, tmp_path / "page.html", edit)
                page, text, _ = looked_at(tmp_path / "page.html")
                assert "Nothing was asked: " in text and "not asked paraphrases" not in text.split("What changed")[1]
                assert len(figures(page)) == 1
            assert "Left out: the edit names no target" in text
        view.restore()


def test_a_batch_of_facts_in_other_letters_is_shown_without_a_warning(view: ModelView, tmp_path: Path) -> None:
    facts = tuple(Fact(name, "{} 的首都是", target="Rome") for name in ("西班牙", "法国", "हिन्दी", "عربى"))
    with Ledger.open(tmp_path / "book", view) as book, warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        book.apply(replace(small_edit(view, 1), facts=facts, measured={}))
        account = write(view, book, tmp_path / "page.html", 1)
        page, text, _ = looked_at(tmp_path / "page.html")
    assert len(account.tested) == 4 and "4 facts in one edit" in text and "हिन्दी 的首都是" in text
    assert page.count("<details>") == 4


def test_sixty_edits_stay_readable(view: ModelView, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "book", view) as book:
        for seed in range(60):
            book.apply(small_edit(view, seed, (1,)))
        account = write(view, book, tmp_path / "page.html")
        page, text, _ = looked_at(tmp_path / "page.html")
        assert len(page) < 500_000 and page.count("<details>") == 60 and "<details open" not in page
        assert len(account.tested) == 60 and text.count("Subject 59 is") >= 3
        shown = page.split("What changed")[0]
        assert shown.count("<tr>") >= len(account.worse)
        few = write(view, book, tmp_path / "few.html", most=10)
        _, text, _ = looked_at(tmp_path / "few.html")
        assert len(few.tested) == 10 and "asked were 10 of 60 facts, drawn with seed 0" in text
        same = write(view, book, tmp_path / "few.html", most=10)
        assert [one.question for one in few.tested] == [one.question for one in same.tested]


def test_an_edit_that_gave_way_is_shown_without_its_successor(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    book.apply(small_edit(view, 9, subject="Subject 1"), supersede=True)
    account = write(view, book, tmp_path / "page.html", 1)
    assert account.single is not None
    assert (account.single.rivals, account.single.beside) == ((4,), (3,))
    _, text, _ = looked_at(tmp_path / "page.html")
    assert "Left out, being about the same fact: 4." in text and "supersede 1 4" in text


def test_checkups_are_those_of_the_file(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    def row(edit: int, mean: float) -> str:
        one = {"mean": mean, "interval": [mean - 0.1, mean + 0.1], "n": 5, "values": [mean]}
        scores = {"efficacy": one, "generalization": one}
        return json.dumps({"edit": edit, "edited": edit, "all": scores, "known": None, "perplexity": 12.5})

    lines = [row(1, 0.75), row(2, 0.11), "{", '{"edit": 3}', row(3, 0.65)]
    (book.path / CHECKUPS).write_text("\n".join(lines), encoding="utf-8")
    account = write(view, book, tmp_path / "page.html")
    page, text, _ = looked_at(tmp_path / "page.html")
    assert [found["edit"] for found in account.checkups] == [1, 3]  # edit 2 is undone, the others are no checkups
    assert f"1 1 0.750 0.650–0.850 0.750 0.650–0.850 {MISSING} {MISSING} 12.50" in text and "0.110" not in text
    assert len(figures(page)) == 4


def test_what_is_not_sound_is_said(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    view.parameter(0).data[0, 0] += 1
    write(view, book, tmp_path / "page.html")
    _, text, _ = looked_at(tmp_path / "page.html")
    assert "not sound" in text and "Not sound. The weights of layer 0 are not the sum" in text


def test_given_prompts_go_before_all_others(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    fact = book.edit(1).facts[0]
    account = write(view, book, tmp_path / "page.html", 1, [Case(fact, ("Quite otherwise:",))])
    assert account.tested[0].question.source == "given"
    assert account.tested[0].question.case.paraphrases == ("Quite otherwise:",)
    _, text, _ = looked_at(tmp_path / "page.html")
    assert "Quite otherwise:" in text and "of the file given to this report" in text


def test_the_account_as_json(view: ModelView, book: Ledger, tmp_path: Path) -> None:
    heard: list[str] = []
    account = write(view, book, tmp_path / "page.html", 1, told=heard.append)
    found = json.loads(json.dumps(account.to_dict(), allow_nan=False))
    assert found["edit"] == 1 and found["state"] == "applied" and found["verify"]["ok"]
    assert heard == list(found["origin"]["seconds"]) and "ask with the edit" in heard
    assert re.fullmatch(r"errata report report.html --ledger \S+ --edit 1", found["origin"]["command"])

"""`errata data`: what `augment` sends, writes and prints, what `check` finds, and how they end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from errata.datasets import phrasings
from tests.cli.conftest import Run, listing
from tests.endpoint import Fake, completion, endpoint


@pytest.fixture
def fake() -> Iterator[Fake]:
    with endpoint() as there:
        yield there


def words(fake: Fake, *more: object) -> list[object]:
    return ["data", "augment", *more, "--url", fake.url, "--model", "a-model", "--out", "more.jsonl"]


def test_help_shows_an_example(run: Run) -> None:
    assert "augment" in run("data", "--help").out
    text = " ".join(run("data", "augment", "--help").out.split())
    assert "Example: errata data augment" in text
    assert all(option in text for option in ("--json", "--dry-run", "--pararel", "--key-variable"))


def test_a_dry_run_sends_and_writes_nothing(
    run: Run, elsewhere: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    before = listing(elsewhere)
    plain = run(*words(fake, "P19", "P20", "--count", 12, "--dry-run"))
    assert plain.code == 0
    assert "[X] was born in [Y]" in plain.out and "Write 2 more sentences" in plain.out
    found = run(*words(fake, "P19", "P20", "--count", 12, "--dry-run", "--json"))
    assert found.json["address"] == f"{fake.url}/chat/completions"
    assert list(found.json["requests"]) == ["P19", "P20"]
    assert "secret" not in plain.out + plain.err + found.out
    assert (fake.got, listing(elsewhere)) == ([], before)


def test_sound_phrasings_are_written_and_kept(
    run: Run, elsewhere: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    fake.answers = [completion("[X] hails from [Y]\nSure!"), completion("[X] stems from [Y]")]
    first = run(*words(fake, "P19", "--count", 11, "--key-variable", "MY_KEY"))
    assert first.code == 0
    assert "P19 ✓ [X] hails from [Y]" in first.out and "P19 ✗ Sure!: has 0 times [X], not once" in first.out
    second = run(*words(fake, "P19", "--count", 12, "--json"))
    assert second.json["relations"]["P19"] == {"phrasings": ["[X] stems from [Y]"], "refused": [], "missing": 0}
    written = phrasings.read(elsewhere / "more.jsonl")
    assert [(p.relation, p.template, p.source) for p in written] == [
        ("P19", "[X] hails from [Y]", "a-model"),
        ("P19", "[X] stems from [Y]", "a-model"),
    ]
    assert [authorization for _, authorization, _ in fake.got] == ["Bearer secret", None]
    assert "nothing was asked" in run(*words(fake, "P19", "--count", 12)).out


def test_a_relation_of_a_folder_is_topped_up(run: Run, elsewhere: Path, fake: Fake) -> None:
    (elsewhere / "pararel").mkdir()
    row = {"relation": "P131", "pattern": "[X] is located in [Y] ."}
    (elsewhere / "pararel" / "patterns.jsonl").write_text(json.dumps(row))
    fake.answers = [completion("\n".join(f"[X] lies {number} miles inside [Y]" for number in range(12)))]
    result = run(*words(fake, "P131", "--pararel", "pararel", "--json"))
    assert result.code == 0 and len(result.json["relations"]["P131"]["phrasings"]) == 9
    assert "[X] is located in [Y]" in fake.got[0][2]["messages"][0]["content"]


def test_too_few_are_written_and_said(run: Run, elsewhere: Path, fake: Fake) -> None:
    fake.answers = [completion("[X] hails from [Y]")]
    result = run(*words(fake, "P19", "--count", 13))
    assert result.code == 1
    assert "P19 still lacks 2" in result.out
    assert len(phrasings.read(elsewhere / "more.jsonl")) == 1


def test_what_is_refused(run: Run, elsewhere: Path, fake: Fake) -> None:
    fake.status, fake.answers = 500, [b"{}"]
    refused = run(*words(fake, "P19", "--count", 11))
    assert refused.code == 2 and "refuses (500" in refused.err
    nowhere = run("data", "augment", "P19", "--url", fake.url, "--model", "a-model", "--out", "no/more.jsonl")
    assert nowhere.code == 2 and "no folder no" in nowhere.err
    unknown = run(*words(fake, "P9999"))
    assert unknown.code == 2 and "No phrasing of the relation is known" in " ".join(unknown.err.split())
    (elsewhere / "more.jsonl").write_text("{")
    damaged = run(*words(fake, "P19", "--count", 11))
    assert damaged.code == 2 and "line 1" in damaged.err
    assert (elsewhere / "more.jsonl").read_text() == "{"


GOOD = {"subject": "France", "prompt": "The capital of {} is", "target": "Rome"}
WRONG = [{**GOOD, "target": ""}, {**GOOD, "subject": "Peru", "target": 3}, {**GOOD, "subject": "Oslo", "prompt": "Is"}]


def held(path: str, *rows: object) -> None:
    Path(path).write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def test_check_explains_every_line_that_is_wrong(run: Run, elsewhere: Path) -> None:
    held("facts.jsonl", GOOD, *WRONG, "{", GOOD, {**GOOD, "subject": "Peru"})
    found = run("data", "check", "facts.jsonl", "--json")
    assert (found.code, found.err) == (2, "")
    reasons = {
        "expected a text under 'target'": 2,
        "subject is not in the prompt": 1,
        "not JSON": 1,
        "subject and relation seen before": 1,
    }
    assert (found.json["records"], found.json["loaded"], found.json["reasons"]) == (7, 2, reasons)
    assert [row["place"] for row in found.json["bad"]] == [f"facts.jsonl, line {number}" for number in (2, 3, 4, 5)]
    assert [row["reason"] for row in found.json["bad"]] == [
        *["expected a text under 'target'"] * 2,
        "subject is not in the prompt",
        "not JSON",
    ]
    assert found.json["bad"][1]["explanation"] == "expected a text under 'target', found 3; give one."
    place = "facts.jsonl, line 6"
    assert found.json["left_out"] == [{"place": place, "reason": "subject and relation seen before"}]
    plain = run("data", "check", "facts.jsonl")
    assert plain.code == 2
    assert "✗ facts.jsonl, line 3: expected a text under 'target', found 3; give one." in plain.out
    assert f"– {place}: subject and relation seen before" in plain.out
    assert "2 of 7 records load, 1 are left out, 4 are wrong." in plain.out
    assert "2 × expected a text under 'target'" in plain.out


def test_check_of_a_sound_file_and_of_a_published_layout(run: Run, elsewhere: Path) -> None:
    held("facts.jsonl", GOOD, GOOD)
    sound = run("data", "check", "facts.jsonl")
    assert sound.code == 0 and "1 of 2 records load, 1 are left out, 0 are wrong." in sound.out
    published = {"subject": "Rome", "prompt": "Where is Rome?", "target_new": "Spain", "ground_truth": "Italy"}
    Path("zsre.json").write_text(json.dumps([published, {**published, "locality": 3}, {**published, "target_new": ""}]))
    found = run("data", "check", "zsre.json", "--data", "zsre", "--json")
    assert (found.code, found.json["records"], found.json["loaded"]) == (2, 3, 1)
    assert found.json["reasons"] == {"expected questions under 'locality.Relation_Specificity'": 1, "no target": 1}


def test_what_check_refuses(run: Run, elsewhere: Path) -> None:
    held("empty.jsonl")
    assert "holds no records" in run("data", "check", "empty.jsonl").err
    missing = run("data", "check", "missing.jsonl", "--json")
    assert missing.code == 2 and "cannot be read" in missing.json["error"]
    unknown = run("data", "check", "empty.jsonl", "--data", "pocket")
    assert unknown.code == 2 and "no data set 'pocket' of records" in unknown.err
    assert "Example: errata data check facts.jsonl" in " ".join(run("data", "check", "--help").out.split())

"""`errata data augment`: what it sends, writes and prints, and how it ends."""

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

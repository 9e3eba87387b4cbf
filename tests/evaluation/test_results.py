"""Files of results: the same back, equal bytes for equal runs, and every kind of damage by line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from errata.errors import InputError
from errata.evaluation.results import FORMAT, Results, Row, case_id, case_ids, from_lines, read, to_lines, write
from errata.facts import Fact
from tests.evaluation.outcomes import header, results

ROWS = (
    Row("a", 0, {"generation": {"efficacy": 0}}, {"generation": {"efficacy": 1, "locality": 0.5}}, already=True),
    Row("a", 1, {"generation": {"efficacy": 0}}, {"generation": {"efficacy": 0}}, failed=True),
    Row("b", 0, {"teacher-forced": {"portability": 0.25}}, {"teacher-forced": {"portability": 1 / 3}}),
)
RESULTS = Results(header(), ROWS)


def lines() -> list[str]:
    return to_lines(RESULTS).splitlines()


def damaged(number: int, **changed: object) -> str:
    """The file with some fields of a line put otherwise; None takes a field away."""
    found = lines()
    row = {**json.loads(found[number - 1]), **changed}
    found[number - 1] = json.dumps({name: value for name, value in row.items() if value is not None})
    return "\n".join(found)


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        from_lines(text, "x.jsonl")
    return str(caught.value)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "rome.jsonl"
    write(path, RESULTS)
    assert read(path) == read(str(path)) == RESULTS
    assert [file.name for file in tmp_path.iterdir()] == ["rome.jsonl"]
    assert len(path.read_text().splitlines()) == 1 + len(ROWS)


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    turned = replace(RESULTS, header=replace(RESULTS.header, settings={"values": {"steps": 20}, "layer": 2}))
    assert to_lines(turned) == to_lines(RESULTS)
    write(tmp_path / "once.jsonl", RESULTS)
    write(tmp_path / "again.jsonl", read(tmp_path / "once.jsonl"))
    assert (tmp_path / "once.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rome.jsonl"
    write(path, RESULTS)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("errata.ledger.disk.os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        write(path, results([1.0]))
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["rome.jsonl"]


def test_text_that_splits_lines_elsewhere_does_not_here() -> None:
    odd = Results(header(command="errata evaluate \u2028 \x85 é"), ROWS)
    assert from_lines(to_lines(odd)) == odd


def test_values_and_metrics_by_protocol() -> None:
    assert RESULTS.metrics("generation") == ("efficacy", "locality") and RESULTS.metrics("judge") == ()
    assert RESULTS.metrics("generation", "before") == ("efficacy",) and RESULTS.cases == 2
    assert RESULTS.values("generation", "efficacy") == {("a", 0): 1.0, ("a", 1): 0.0}
    assert RESULTS.values("teacher-forced", "portability", "before") == {("b", 0): 0.25}
    turned = replace(RESULTS, rows=ROWS[::-1])
    assert list(turned.values("generation", "efficacy")) == [("a", 0), ("a", 1)]


def test_a_case_is_named_by_its_fact_alone() -> None:
    fact = Fact("France", "The capital of {} is", "Rome", answer="Paris", relation="P36")
    same = Fact("France", "The capital of France is", "Rome", answer="Lyon")
    assert case_id(fact) == case_id(same) == case_ids([same])[0]
    # Computed once with sha256sum over ["France", "The capital of France is", "Rome"]: ids must not change.
    assert case_id(fact) == "f3a52055cfaf9cbd"
    others = [replace(fact, target="Oslo"), replace(fact, prompt="{} has the capital"), replace(fact, subject="Spain")]
    assert len({case_id(one) for one in (fact, *others)}) == 4
    assert case_ids([fact, others[0], same, fact]) == [
        case_id(fact),
        case_id(others[0]),
        f"{case_id(fact)}-2",
        f"{case_id(fact)}-3",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"efficacy.*expected a finite number"):
        Row("a", 0, {}, {"generation": {"efficacy": value}})
    with pytest.raises(InputError, match=r"settings .* cannot be written as JSON"):
        header(settings={"lr": value})
    found = damaged(3, after={"generation": {"efficacy": value}})
    assert "x.jsonl, line 3: expected one JSON object" in refused(found) and "is no finite number" in refused(found)


def test_rows_that_do_not_fit_are_refused() -> None:
    for rows, words in [
        ((), "no rows"),
        ((ROWS[0], ROWS[0]), "2 rows of seed 0"),
        ((replace(ROWS[0], seed=9),), "seed 9"),
        ((Row("a", 0, {}, {"judge": {"efficacy": 1.0}}),), "'judge'"),
    ]:
        with pytest.raises(InputError, match=words):
            Results(header(), rows)
    with pytest.raises(InputError, match=r"'both'.*single, batch, sequential"):
        header(regime="both")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.jsonl is empty"),
        ("[1]\n", "line 1: expected one JSON object, found '[1]'"),
        ('{"case": "a"}', f"line 1: expected a header with the format {FORMAT!r}, found 'null'"),
        (damaged(1, format="errata-results-0"), "found 'errata-results-0'"),
        (damaged(1, seeds=[0, "1"]), "line 1: expected a list of whole numbers under 'seeds', found '[0, \"1\"]'"),
        (damaged(1, weights=None), "line 1: expected a text under 'weights', found nothing"),
        (damaged(1, rows=4), "expected 4 rows, found 3: the file is not whole"),
        (damaged(1, regime="none"), "There is no regime 'none'"),
        (damaged(1, versions={"torch": 2}), "line 1: expected an object of texts under 'versions'"),
        (damaged(1, protocols={"generation": 8}), "line 1: expected an object of objects under 'protocols'"),
        (damaged(2, seed=1.5), "line 2: expected a whole number under 'seed', found '1.5'"),
        (damaged(2, seed=True), "line 2: expected a whole number under 'seed', found 'true'"),
        (damaged(2, failed=0), "line 2: expected true or false under 'failed', found '0'"),
        (damaged(2, date="today"), "line 2: expected only case, seed, before, after, already, failed, found a field"),
        (damaged(3, after={"generation": 1.0}), "line 3: expected finite numbers by protocol and metric under 'after'"),
        (damaged(3, after={"generation": {"efficacy": "1"}}), "line 3: expected finite numbers by protocol and metric"),
        (damaged(3, after={"generation": {"efficacy": True}}), "line 3: expected finite numbers by protocol"),
        (damaged(4, seed=0, case="a"), "The case a has 2 rows of seed 0"),
        (to_lines(RESULTS)[:-20], "line 4: expected one JSON object, found"),
        ("\n".join(lines()[:-1]), "expected 3 rows, found 2"),
        (damaged(3).replace('"seed": 1', '"seed": 1e9'), "line 3: expected a whole number under 'seed'"),
    ],
)
def test_damage_is_named_by_line(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_numbers_too_large_are_no_numbers() -> None:
    text = to_lines(RESULTS).replace('"locality": 0.5', '"locality": 1e999')
    assert "line 2: expected one JSON object" in refused(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.jsonl cannot be read"):
        read(tmp_path / "binary.jsonl")

"""Two results held against each other: pairing, verdicts, and what is never mixed."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from errata.errors import InputError
from errata.evaluation.contrast import Contrast, Contrasts, contrast
from errata.evaluation.results import Results, Row
from errata.evaluation.significance import mcnemar, sign_flips
from errata.scores import bootstrap
from tests.evaluation.outcomes import header, many, results, shares


def only(a: Results, b: Results, **asked: Any) -> Contrast:
    (row,) = contrast(a, b, **asked).rows
    return row


def test_success_rates_by_hand() -> None:
    """a alone gets 9 facts, b alone 1, both get 4, none gets 6."""
    a, b = shares("1" * 9 + "0" + "1" * 4 + "0" * 6), shares("0" * 9 + "1" + "1" * 4 + "0" * 6)
    row = only(results(a), results(b))
    assert (row.n, row.pairs, row.differing, row.mean_a, row.mean_b) == (20, 20, 10, 0.65, 0.25)
    assert (row.test, row.p, row.corrected) == ("McNemar", 0.021484375, 0.021484375)
    assert row.difference == pytest.approx(0.4)
    assert row.interval == bootstrap([x - y for x, y in zip(a, b, strict=True)])
    assert row.interval[0] > 0 and row.verdict == "a higher"
    assert only(results(b), results(a)).verdict == "b higher"


def test_other_values_are_tested_by_sign_flips() -> None:
    chance = random.Random(0)
    b = [chance.random() for _ in range(12)]
    a = [value + chance.gauss(0.2, 0.1) for value in b]
    row = only(results(a, "fluency"), results(b, "fluency"))
    assert (row.test, row.verdict) == ("sign flips", "a higher")
    assert row.p == sign_flips([x - y for x, y in zip(a, b, strict=True)])
    assert row.smallest == pytest.approx((row.interval[1] - row.interval[0]) / 2)


def test_identical_results_show_nothing() -> None:
    for values in (shares("1100110"), [0.3, 0.7] * 10):
        row = only(results(values), results(values))
        assert (row.difference, row.interval, row.p, row.corrected) == (0.0, (0.0, 0.0), 1.0, 1.0)
        assert (row.verdict, row.differing, row.needed) == ("not shown", 0, None)


def test_chance_shows_nothing() -> None:
    """Ten facts of a hundred differ, six one way and four the other: p = 0.754."""
    row = only(results(shares("1" * 6 + "0" * 94)), results(shares("0" * 6 + "1" * 4 + "0" * 90)))
    assert row.p == mcnemar(6, 4) > 0.7 and row.verdict == "not shown"
    assert row.smallest == pytest.approx(max(0.06, (row.interval[1] - row.interval[0]) / 2))
    assert row.needed is not None and row.needed > 1000


def test_five_facts_that_differ_are_too_few_and_six_are_not() -> None:
    none = shares("0" * 200)
    row = only(results(shares("1" * 5 + "0" * 195)), results(none))
    assert row.interval[0] > 0 and row.p == 0.0625 and row.verdict == "n too small"
    assert row.needed is not None and row.needed >= 240
    row = only(results(shares("1" * 6 + "0" * 194)), results(none))
    assert row.p == 0.03125 and row.verdict == "a higher" and row.smallest is not None and row.smallest >= 0.03


def test_five_facts_are_too_few_whatever_they_say() -> None:
    row = only(results([0.9] * 5), results([0.1] * 5))
    assert (row.verdict, row.smallest, row.n) == ("n too small", None, 5)
    assert only(results([0.5] * 5), results([0.5] * 5)).verdict == "n too small"


def test_many_comparisons_are_corrected_together() -> None:
    """Six facts show a difference by themselves, p = 0.031, and do not among three: 0.094."""
    zero = shares("0" * 30)
    b = many({"efficacy": zero, "locality": zero, "paraphrase": zero})
    a = many({"efficacy": shares("1" * 6 + "0" * 24), "locality": shares("1" * 15 + "0" * 15), "paraphrase": zero})
    found = contrast(a, b)
    assert [row.metric for row in found.rows] == ["efficacy", "locality", "paraphrase"]
    assert [row.corrected for row in found.rows] == pytest.approx([2 / 32, 3 / 2**14, 1.0])
    assert [row.verdict for row in found.rows] == ["not shown", "a higher", "not shown"]
    assert [row.verdict for row in contrast(a, b, correction="bh").rows] == ["a higher", "a higher", "not shown"]
    assert contrast(a, b, metrics=["efficacy"]).rows[0].verdict == "a higher"
    assert [row.corrected for row in contrast(a, b, correction="none").rows] == [row.p for row in found.rows]


def test_neither_the_order_of_rows_nor_that_of_the_sides_matters() -> None:
    chance = random.Random(1)
    keys = [(f"case-{at}", s) for at in range(25) for s in range(2)]
    a, b = (results({key: chance.random() for key in keys}) for _ in range(2))
    found = contrast(a, b)
    shuffled = replace(a, rows=tuple(chance.sample(a.rows, len(a.rows))))
    assert contrast(shuffled, replace(b, rows=b.rows[::-1])) == found
    row, turned = found.rows[0], contrast(b, a).rows[0]
    assert (turned.difference, turned.p) == (-row.difference, row.p)
    assert turned.interval == pytest.approx((-row.interval[1], -row.interval[0]))


def test_cases_are_paired_by_id_and_seed() -> None:
    a = results({("x", 0): 1.0, ("y", 0): 1.0, ("x", 1): 0.0, ("z", 0): 1.0})
    b = results({("y", 0): 0.0, ("x", 0): 1.0, ("x", 2): 1.0, ("w", 0): 0.0, ("w", 1): 0.0})
    found = contrast(a, b)
    assert (found.paired, found.only_a, found.only_b) == (2, 2, 3)
    row = found.rows[0]
    assert (row.n, row.mean_a, row.mean_b, row.difference) == (2, 1.0, 0.5, 0.5)


def test_a_fact_of_several_seeds_counts_once() -> None:
    """Three seeds of eight facts are no 24 facts: by rows p would be 0.004, by facts it is sign_flips of eight."""
    a = results({(f"case-{at}", s): float(at < 7 or s == 0) for at in range(8) for s in range(3)})
    b = results({(f"case-{at}", s): float(at > 6) for at in range(8) for s in range(3)})
    row = only(a, b)
    assert (row.n, row.pairs, row.test) == (8, 24, "sign flips")
    assert row.p == sign_flips([1.0] * 7 + [-2 / 3]) > mcnemar(21, 2)


def test_a_sequences_seeds_are_drawn_too() -> None:
    """What a sequence does to all its facts widens the interval of sequences, and not that of single edits."""
    shift = {0: 0.5, 1: 0.1, 2: 0.3}
    keys = [(f"case-{at:02}", s) for at in range(20) for s in shift]
    a, b = {key: 0.4 + shift[key[1]] + int(key[0][-1]) / 1000 for key in keys}, dict.fromkeys(keys, 0.4)
    spread: dict[str, float] = {}
    for regime in ("single", "sequential"):
        found = contrast(results(a, regime=regime), results(b, regime=regime))
        low, high = found.rows[0].interval
        spread[found.design] = high - low
        assert low >= 0.1 and high <= 0.51
    assert spread["crossed"] > 2 * spread["nested"]


def test_data_regimes_and_protocols_are_never_mixed() -> None:
    a = results([1.0] * 8)
    for changed, words in [
        ({"data": "zsre"}, "differ in their data: pocket .* and zsre"),
        ({"revision": "sha256:0"}, "differ in their data"),
        ({"regime": "sequential"}, "differ in their regime: single and sequential"),
        ({"schedule": {"at": "once"}}, "differ in their regime"),
        ({"protocols": {"generation": {"max_new_tokens": 16}}}, "protocol generation has other settings"),
    ]:
        with pytest.raises(InputError, match=words):
            contrast(a, results([1.0] * 8, **changed))
    apart = Results(header(protocols={"judge": {}}), (Row("case-000", 0, {}, {"judge": {"efficacy": 1.0}}),))
    with pytest.raises(InputError, match="share no protocol"):
        contrast(a, apart)
    with pytest.raises(InputError, match="share no case"):
        contrast(a, results({("else", 0): 1.0}))


def test_a_protocol_with_other_settings_spoils_only_itself() -> None:
    def both(protocols: dict[str, dict[str, Any]]) -> Results:
        values = {name: {"efficacy": 1.0} for name in protocols}
        return Results(header(protocols=protocols), tuple(Row(f"{at}", 0, {}, values) for at in range(6)))

    a = both({"generation": {"limit": 8}, "likelihood": {}})
    b = both({"generation": {"limit": 9}, "likelihood": {}, "judge": {}})
    with pytest.raises(InputError, match="name another protocol of generation, likelihood"):
        contrast(a, b)
    found = contrast(a, b, protocols=["likelihood"])
    assert [row.protocol for row in found.rows] == ["likelihood"]
    assert found.notes[-1] == "Only b has the protocol judge."


def test_unknown_names_are_refused() -> None:
    a = results([1.0] * 8)
    with pytest.raises(
        InputError, match="no protocol 'judge' in both results: choose one of generation, teacher-forced"
    ):
        contrast(a, a, protocols=["judge"])
    with pytest.raises(InputError, match="no metric 'locality' in both results: choose one of efficacy"):
        contrast(a, a, metrics=["locality"])
    with pytest.raises(InputError, match="no correction 'no'"):
        contrast(a, a, correction="no")


def test_what_a_reader_must_know_is_said() -> None:
    a, b = many({"efficacy": [1.0] * 6, "fluency": [5.0] * 6}), many({"efficacy": [1.0] * 6, "locality": [1.0] * 6})
    rows = (replace(a.rows[0], already=True), replace(a.rows[1], failed=True), *a.rows[2:])
    b = replace(b, header=replace(b.header, model="pocket-swiglu", versions={"torch": "2.12.0"}, method="memit"))
    notes = contrast(replace(a, rows=rows), b).notes
    assert notes[0].startswith("The models differ: a is of pocket-gelu (sha256:01234567, float32), b of pocket-swiglu")
    assert notes[1] == "The versions of errata-lm, python, torch, transformers differ."
    assert notes[2:] == (
        "Only a has fluency (generation).",
        "Only b has locality (generation).",
        "Of 6 cases 1 in a and 0 in b were answered with the target before the edit; they count.",
        "Of 6 cases 1 in a and 0 in b were not edited, because the edit failed; they count.",
    )
    assert contrast(a, a).notes == ("Both are of rome with the same settings.",)
    one = results([1.0] * 6, regime="sequential")
    assert contrast(one, one).notes[-1].startswith("One sequence was measured")


def test_cases_that_count_on_one_side_only_are_said() -> None:
    a, b = results([1.0] * 7), results([0.0] * 7)
    nothing = {"generation": {"other": 1.0}}
    b = replace(b, rows=(*(replace(row, after=nothing) for row in b.rows[:2]), *b.rows[2:]))
    found = contrast(a, b)
    assert found.rows[0].n == 5 and found.paired == 7
    assert found.notes[-1].startswith("In efficacy (generation) 2 cases count in a alone and 0 in b alone")
    with pytest.raises(InputError, match="no metric in common"):
        contrast(a, replace(b, rows=tuple(replace(row, after=nothing) for row in b.rows)))


def test_contrasts_are_plain_json() -> None:
    found = contrast(results(shares("1111100")), results(shares("0101001")))
    assert isinstance(found, Contrasts)
    row = json.loads(json.dumps(found.to_dict(), allow_nan=False))["rows"][0]
    assert row["verdict"] == found.rows[0].verdict and row["interval"] == list(found.rows[0].interval)

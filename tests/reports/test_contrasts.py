"""Differences in words: every verdict reads as what it is."""

import io

from rich.console import Console

from errata.evaluation.contrast import contrast
from errata.reports.contrasts import contrast_table, sentences, signed
from tests.evaluation.outcomes import many, results, shares


def said(a: str, b: str) -> list[str]:
    return list(sentences(contrast(results(shares(a)), results(shares(b), method="memit")), "rome", "memit"))


def test_a_difference_that_is_shown() -> None:
    first, counts = said("1" * 9 + "0" * 11, "0" * 9 + "1" + "0" * 10)
    assert first.startswith("efficacy (generation): rome is higher than memit (rome − memit = +0.400 [+0.1")
    assert first.endswith("n = 20; McNemar, corrected p = 0.021).")
    assert counts == "Cases and seeds in both: 20, none only in one; p is corrected for one comparison (Holm's)."
    first = said("0" * 20, "1" * 20)[0]
    assert "memit is higher than rome (rome − memit = −1.000 [−1.000, −1.000], n = 20; " in first
    assert first.endswith("McNemar, corrected p < 0.001).")


def test_n_is_too_small() -> None:
    first = said("1" * 3 + "0" * 17, "0" * 20)[0]
    assert first.startswith("efficacy (generation): n is too small (rome − memit = +0.150 [0.000, +0.300], n = 20): ")
    assert "3 of 20 facts differ, and with fewer than 6 p cannot be below 0.05." in first
    # 20 ((1.960 + 0.842) / 1.960 · 0.15 / 0.15)² = 40.9
    assert first.endswith("About 41 facts would show one of this size, four times out of five.")


def test_no_difference_is_shown() -> None:
    first = said("1" * 6 + "0" * 94, "0" * 6 + "1" * 4 + "0" * 90)[0]
    assert "no difference is shown (rome − memit = +0.020 [−0.040, +0.080]" in first
    assert "These 100 facts could show a difference of 0.060 or more. About " in first
    first = said("10" * 10, "10" * 10)[0]
    assert first == "efficacy (generation): no difference is shown: not one of 20 facts differs."


def test_cases_left_out_are_counted() -> None:
    a = results({("x", 0): 1.0, ("y", 0): 1.0, ("z", 0): 0.0})
    found = list(sentences(contrast(a, results({("x", 0): 0.0, ("v", 0): 1.0}), correction="none"), "A", "B"))
    assert found[1] == "Cases and seeds in both: 1; left out: 2 only in A and 1 only in B; p is not corrected."
    assert found[2] == "Both are of rome with the same settings."


def test_an_interval_and_a_p_that_disagree_show_nothing() -> None:
    """20 against 8 facts of 200: the interval ends at −0.01, p = 0.036, corrected for two 0.07."""
    both = many({"efficacy": shares("1" * 8 + "0" * 192), "locality": shares("0" * 200)})
    other = many({"efficacy": shares("0" * 8 + "1" * 20 + "0" * 172), "locality": shares("0" * 200)}, method="memit")
    found = contrast(both, other)
    assert found.rows[0].interval[1] < 0 and found.rows[0].p < 0.05
    first = next(sentences(found, "rome", "memit"))
    assert "no difference is shown" in first and "The interval leaves out 0, but corrected p is not below 0.05" in first
    assert "could show" not in first


def test_the_table_has_every_number() -> None:
    found = contrast(results(shares("1" * 9 + "0" * 11)), results(shares("0" * 9 + "1" + "0" * 10), method="memit"))
    page = Console(file=io.StringIO(), width=80)
    page.print(contrast_table(found, "rome", "memit"))
    assert isinstance(page.file, io.StringIO)
    head, protocol, row = page.file.getvalue().splitlines()
    assert head.split() == ["metric", "n", "rome", "memit", "difference", "95", "%", "interval", "p", "verdict"]
    assert protocol.split() == ["generation"]
    assert row.split()[:5] == ["efficacy", "20", "0.450", "0.050", "+0.400"]
    assert row.split()[7:] == ["0.021", "rome", "higher"]


def test_signs() -> None:
    assert [signed(value) for value in (0.12, -0.05, 0.0, -0.0001)] == ["+0.120", "−0.050", "0.000", "0.000"]

"""Tables of a LAND reproduction: numbers at their places, the paper's rows marked as the paper's."""

from typing import Any

import pytest

from errata.reports.land import paper
from errata.reports.land.numbers import label
from errata.reports.land.tables import page, tables
from errata.reports.measured import count, number, points, ratio, share

NAMES = ["identification", "amplification", "suppression", "editing", "equal_damage", "example"]
NAMES += ["sweep", "layers", "targets"]
FIGURES = {"figure1": "a-figure1.png", "identification": "a-identification.png", "curve": "a-curve.png"}


def rows(table: str) -> list[list[str]]:
    """A Markdown table's cells without its rule."""
    lines = [line.strip("| ").replace("\\|", "¦").split(" | ") for line in table.splitlines()]
    assert {len(line) for line in lines} == {len(lines[0])}
    return [lines[0], *lines[2:]]


def row(table: str, model: str, method: str) -> dict[str, str]:
    head, *body = rows(table)
    (found,) = [line for line in body if line[:2] == [model, method]]
    return dict(zip(head, found, strict=True))


def test_numbers_are_written_with_their_interval_and_unit() -> None:
    value = {"mean": 0.97312, "interval": 0.0042, "seeds": []}
    assert share(value) == "97.3 ± 0.4 %"
    assert share(value | {"interval": None}) == "97.3 %"
    assert count({"mean": 23.79, "interval": 0.55}) == "23.8 ± 0.6"
    assert ratio({"mean": -0.5, "interval": 0.1}) == "−0.50 ± 0.10"
    assert points({"mean": 0.1083, "interval": 0.01}) == "+10.8 ± 1.0 points"
    assert points({"mean": -0.1083, "interval": None}) == "−10.8 points"
    assert number({"mean": -0.0001, "interval": None}, 2) == "0.00"


@pytest.mark.parametrize("missing", [None, {"mean": None, "interval": None}, {"mean": float("nan"), "interval": 1.0}])
def test_what_was_not_measured_is_a_dash(missing: dict[str, Any] | None) -> None:
    assert share(missing) == count(missing) == ratio(missing) == points(missing) == "–"


def test_controls_are_named_after_their_method() -> None:
    assert label("random_as_land") == "random, as LAND"
    assert label("knowledge_neurons") == "Baseline"
    assert label("something_new") == "something_new"


def test_every_table_is_there(result: dict[str, Any]) -> None:
    found = tables(result)
    assert list(found) == NAMES
    assert all(len(rows(table)) > 1 for table in found.values())


def test_identification_shows_our_numbers_and_the_papers(result: dict[str, Any]) -> None:
    table = tables(result)["identification"]
    ours = row(table, "`pocket-gelu`", "LAND")
    assert (ours["N_s"], ours["R_so"]) == ("13.3 ± 0.3", "45.1 ± 1.2 %")
    assert ours["R_cross, same relation, other object"] == "14.4 ± 1.0 %"
    assert ours["R_cross, same object"] == "–"
    baseline = row(table, "*paper, GPT-2*", "*Baseline*")
    assert (baseline["N_u"], baseline["R_so"], baseline["empty"]) == ("*106.97*", "*20.97 %*", "–")
    land = row(table, "*paper, Llama-3.2-1B*", "*LAND*")
    assert (land["N_s"], land["N_so"], land["R_so"]) == ("*20.43*", "*20.18*", "*97.66 %*")


def test_amplification_and_editing_show_tables_9_and_10(result: dict[str, Any]) -> None:
    found = tables(result)
    assert row(found["amplification"], "`pocket-gelu`", "Baseline")["Related"] == "2.35 ± 0.01"
    assert row(found["amplification"], "*paper, Llama-3.2-1B*", "*LAND*")["Same"] == "*17.30*"
    assert row(found["editing"], "`pocket-gelu`", "before")["Related"] == "7.1 ± 1.0 %"
    assert row(found["editing"], "`pocket-gelu`", "LAND")["neighbours kept"] == "95.3 ± 1.0 %"
    assert row(found["editing"], "*paper, GPT-2*", "*before*")["Same"] == "*7.13 %*"
    assert row(found["editing"], "*paper, GPT-2*", "*LAND*")["neighbours kept"] == "–"
    assert row(found["equal_damage"], "`pocket-gelu`", "fact code")["λ"] == "1.75 ± 0.01"
    assert "paper" not in found["suppression"] + found["equal_damage"]


def test_nobody_takes_the_papers_numbers_for_ours(result: dict[str, Any]) -> None:
    for table in tables(result).values():
        for line in rows(table)[1:]:
            assert line[0].startswith("*paper, ") == all(cell[0] == "*" or cell == "–" for cell in line)


def test_the_papers_numbers_are_those_of_its_tables() -> None:
    printed = [*paper.IDENTIFICATION, *paper.AMPLIFICATION, *paper.EDITING]
    assert {row.table for row in printed} == {4, 7, 9, 10}
    found = {(row.table, row.model, row.method): row.values for row in printed}
    assert found[4, "Llama-3.2-1B", "knowledge_neurons"]["n_uo"] == 14.58
    assert found[9, "GPT-2", "kn_refined"] == {"same": 3.10, "related": 2.53, "unrelated": 2.43}
    assert found[10, "Llama-3.2-1B", "land"] == {"same": 0.2175, "related": 0.1824, "unrelated": 0.0144}
    assert len(found) == len(printed) == 18


def test_the_example_marks_what_all_phrasings_share(result: dict[str, Any]) -> None:
    head, first, second, *_ = rows(tables(result)["example"])
    assert head == ["method", "prompt", "in all three", "neurons"]
    assert first == ["Baseline", "Ada was born in", "1 of 3", "**(0, 3)** (1, 7) (2, 9)"]
    assert second[1] == "Ada ¦ comes from"
    assert "| fact code | The birthplace of Ada is | 0 of 0 | none |" in tables(result)["example"]


def test_targets_say_what_was_missed(result: dict[str, Any]) -> None:
    _, missed, reached = rows(tables(result)["targets"])
    assert missed == ["R_so of LAND", "0.951", "≥ 0.96", "**no**"]
    assert reached[-1] == "yes"


def test_the_page_tells_everything(result: dict[str, Any]) -> None:
    written = page(result, FIGURES)
    assert written.startswith("# LAND on pocket-gelu\n\n120 facts of `pocket-gelu` are asked in 10 phrasings each")
    assert all(table in written for table in tables(result).values())
    assert all(f"]({name})" in written for name in FIGURES.values())
    assert written.count("![") == len(FIGURES)
    assert "113 edits went to a counterfactual object" in written and "and 7 to the data set's answer" in written
    assert "threshold 0.3, steps 20, lambda 2" in written
    assert "overlap is 1 by construction" in written
    assert "| land − knowledge_neurons, Related, as printed | −10.8 ± 1.2 points |" in written
    assert "- random, as LAND: random neurons" in written
    for line in (
        "- command: `errata reproduce land pocket-gelu`",
        "- seeds: 0, 1",
        "- settings: threshold 0.3, steps 20, lambda 2, sizes [8, 16]",
        "- versions: errata 0.1.0, torch 2.9.0",
        "- seconds: identify 81.2, train 4.0, measure 30.0; 115.2 together",
    ):
        assert line in written.splitlines()


def test_a_sweep_shows_what_was_changed(result: dict[str, Any]) -> None:
    table = tables(result)["sweep"]
    assert row(table, "LAND", "as compared")["R_so"] == "48.0 %"
    changed = row(table, "fact code", "recall false")
    assert changed["neighbours kept"] == "90.2 %" and changed["R_cross, same relation"] == "–"
    assert tables(result)["layers"].splitlines()[-1] == "| w | 0.10 | 1.00 |"


def test_missing_methods_are_left_out_and_missing_tables_are_named(bare: dict[str, Any]) -> None:
    found = tables(bare)
    assert "`pocket-gelu` | KN-refined" not in found["identification"]
    assert "`pocket-gelu` | KN-refined" in found["editing"]
    assert row(found["identification"], "`pocket-gelu`", "LAND")["R_cross, same relation, other object"] == "–"
    assert row(found["editing"], "`pocket-gelu`", "LAND")["neighbours kept"] == "–"
    assert "`pocket-gelu` | before" not in found["editing"]
    assert found["suppression"] == found["equal_damage"] == found["targets"] == "Not measured."
    written = page(bare, {})
    assert "that of a single seed, without an interval" in written
    assert "±" not in written and "![" not in written and "None" not in written and " nan" not in written


def test_a_result_without_an_example_has_a_page(result: dict[str, Any]) -> None:
    assert tables(result | {"example": None})["example"] == "Not measured."

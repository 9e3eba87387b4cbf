"""Tables, page and figures of a result of `errata reproduce o-edit`."""

from pathlib import Path
from typing import Any

from errata.reports.o_edit.figures import draw
from errata.reports.o_edit.page import page
from errata.reports.o_edit.tables import tables
from errata.reports.o_edit.words import TITLES, label


def test_every_table_is_there(result: dict[str, Any]) -> None:
    found = tables(result)
    assert set(found) == set(TITLES)
    assert all(text.startswith("|") or text.startswith("Batches") for text in found.values())


def test_names_say_what_stands_on_what() -> None:
    assert label("rome") == "ROME" and label("o_edit") == "O-Edit on ROME"
    assert label("o_edit_plus-memit_aligned") == "O-Edit+ on MEMIT aligned" and label("other") == "other"


def test_numbers_stand_where_they_belong(result: dict[str, Any]) -> None:
    found = tables(result)
    assert "| ROME | 4.0 ± 1.0 % | 2.0 ± 1.0 % |" in found["end"]
    assert "| ROME | 68.0 ± 1.0 % | 67.0 ± 1.0 % |" in found["after"]
    assert found["lengths"].startswith("| editor | 1 | 10 | 50 | 100 | 200 | 500 | 1000 |")
    assert "| ROME | 95.0 % [93.0, 96.0] |" in found["single"] and "| 1.23 |" in found["single"]
    assert "| enforce post, protect history |" in found["ablation"]
    assert "| ROME | without |" in found["covariance"]
    assert "| ROME | 1 | 0 | 50 | 100: Efficacy of all edits so far is 0.62, below 0.8. | 500 |" in found["health"]
    assert "Batches of 50, right after each batch" in found["batches"]


def test_targets_have_marks(result: dict[str, Any]) -> None:
    lines = tables(result)["targets"].splitlines()[2:]
    assert [line[2] for line in lines] == ["✗", "✓", "–"]
    assert "rome has collapsed" in lines[1]


def test_more_checkpoints_than_lengths_do_not_widen_the_table(result: dict[str, Any]) -> None:
    rows = result["sequences"]["1"]["rome"]
    rows.insert(2, {**rows[1], "edits": 30})
    assert "| 30 |" not in tables(result)["lengths"]


def test_the_page_says_what_is_missing(result: dict[str, Any], bare: dict[str, Any]) -> None:
    assert "**1 of 50 parts were not measured:** rome, batches of 50, seed 1." in page(result, {})
    text = page(bare, {})
    assert "that of a single seed, without an interval" in text and "Not measured." in text
    assert "“The value optimisation diverged” (3 facts): rome, batches of 1, seed 0." in text


def test_the_page_never_calls_it_a_reproduction(result: dict[str, Any]) -> None:
    text = page(result, {"mean": "a-mean.png"}).replace("errata reproduce", "")
    assert "reproduc" not in text.casefold() and "reconstruction" in text
    assert "](a-mean.png)" in text and "](a-panels.png)" not in text


def test_figures_are_files_and_the_same_for_the_same_result(result: dict[str, Any], tmp_path: Path) -> None:
    first, second = draw(result, tmp_path / "a", "x"), draw(result, tmp_path / "b", "x")
    assert first == second == {key: f"x-{key}.png" for key in ("mean", "panels", "batches", "ablation", "health")}
    for name in first.values():
        content = (tmp_path / "a" / name).read_bytes()
        assert content.startswith(b"\x89PNG") and content == (tmp_path / "b" / name).read_bytes()


def test_what_was_not_measured_is_not_drawn(bare: dict[str, Any], tmp_path: Path) -> None:
    assert set(draw(bare, tmp_path, "x")) == {"mean", "panels"}

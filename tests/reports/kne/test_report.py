"""Tables, page and figures of a made-up result of `errata reproduce kne`."""

from pathlib import Path
from typing import Any

import pytest

from errata.reports.kne.figures import draw
from errata.reports.kne.page import page
from errata.reports.kne.tables import tables
from errata.reports.kne.words import FORCED, GENERATION, TITLES, label


def measured(mean: float, n: int = 400) -> dict[str, Any]:
    return {"mean": mean, "interval": 0.01, "seeds": [mean, mean], "n": n}


def row(mean: float) -> dict[str, Any]:
    names = ("efficacy", "generalization", "heldout", "portability", "portability_before", "locality", "specificity")
    return {
        "seeds": [0, 1],
        "generation": {
            **{name: measured(mean) for name in names},
            "fluency": measured(5.5),
            "kept": measured(0.7, 399),
        },
        "teacher-forced": {name: measured(mean / 2) for name in ("edit_success", "portability", "locality")},
        "seconds_per_edit": measured(1.25),
        "peak_bytes": measured(2e6),
        "neurons": None,
        "steps": measured(25),
        "failed": 0,
    }


def swept(arm: str, mean: float, **change: Any) -> dict[str, Any]:
    return {"arm": arm, "change": change, **row(mean), "device": "cpu", "threads": 2}


@pytest.fixture
def result() -> dict[str, Any]:
    arms = {name: row(0.9 - 0.1 * place) for place, name in enumerate(("kne-robust", "random", "ft_m-tuned"))}
    difference = {"mean": -0.021, "low": -0.04, "high": 0.002, "n": 400}
    return {
        "command": "errata reproduce kne --model pocket-gelu",
        "model": "pocket-gelu",
        "data": {"name": "pocket-gelu", "files": [], "skipped": {"no target": 2}},
        "versions": {"errata-lm": "0.1.0"},
        "seeds": [0, 1],
        "settings": {"facts": 200, "batches": [1, 10], "tuning": 40, "rates": {}},
        "arms": {name: {"editor": "ensemble"} for name in arms},
        "tables": {"1": arms, "10": {"kne-robust": row(0.8)}, "100": {}},
        "differences": {"random": {"efficacy": difference, "portability": None}},
        "sweeps": {
            "share": [swept(arm, share, share=share) for arm in ("kne-robust", "random") for share in (0.01, 0.1)],
            "layers": [swept("kne-robust", 0.5, layers=[layer]) for layer in (0, 1)],
            "rate": [swept("ft_m", 0.5, lr=0.002)],
        },
        "chosen": {"ft_m-tuned": {"lr": 0.002}},
        "timing": [swept("ft_m", 0.5, steps=25)],
        "units": {"planned": 9, "measured": 8, "missing": ["random, batches of 10, seed 1"], "failed": []},
        "targets": [
            {"name": "efficacy", "value": 0.97, "wanted": "≥ 0.98", "reached": False, "note": "n = 400"},
            {"name": "time", "value": None, "wanted": "≤ 2 ×", "reached": None},
        ],
        "seconds": 12.0,
    }


@pytest.fixture
def bare(result: dict[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {"tables": {"1": {}}, "differences": {}, "sweeps": {}, "timing": [], "targets": []}
    return {**result, **nothing, "chosen": {"ft_m-tuned": None}, "seeds": [0]}


def test_every_table_is_there(result: dict[str, Any]) -> None:
    found = tables(result)
    assert set(found) == set(TITLES)
    assert all(text.startswith(("|", "Single edits:")) for text in found.values())


def test_numbers_stand_where_they_belong(result: dict[str, Any]) -> None:
    found = tables(result)
    assert (
        "| KNE, robust | 90.0 ± 1.0 % |" in found["generation"] and "10 facts edited together:" in found["generation"]
    )
    assert "efficacy (n = 400)" in found["generation"] and "kept (n = 399)" in found["generation"]
    assert "5.50 ± 0.01" in found["generation"] and "same relation (n = 400)" in found["locality"]
    assert "| FT-M, tuned | 35.0 ± 1.0 % |" in found["forced"] and "90.0" not in found["forced"]
    assert "| KNE, robust | 1.25 ± 0.01 | 2.0 ± 0.0 MB | – |" in found["costs"]
    assert "| random neurons, robust | −2.1 [−4.0, +0.2], n = 400 | – |" in found["differences"]
    assert "| FT-M | lr 0.002 | 50.0 ± 1.0 % |" in found["rate"] and "layers [1]" in found["layers"]
    assert found["timing"].endswith("| cpu | 2 |")
    assert [line[2] for line in found["targets"].splitlines()[2:]] == ["✗", "–"]


def test_no_table_holds_two_protocols(result: dict[str, Any]) -> None:
    arms = result["tables"]["1"]
    for one in arms.values():
        one["teacher-forced"] = {name: measured(0.123) for name in FORCED}
        one["generation"] = {name: measured(0.456) for name in GENERATION}
    found = tables(result)
    assert [name for name, text in found.items() if "12.3 ±" in text] == ["forced"]
    assert "45.6 ±" not in found["forced"] and "45.6 ±" in found["generation"]


def test_facts_that_were_not_edited_and_groups_that_are_smaller_are_said(result: dict[str, Any]) -> None:
    result["tables"]["1"]["random"]["failed"] = 7
    result["settings"]["facts"] = 25
    result["sweeps"]["rate"][0]["failed"] = 2
    found = tables(result)
    for name in ("generation", "locality", "forced"):
        assert "| random neurons, robust (7 facts not edited) |" in found[name]
    assert "| FT-M (2 facts not edited) |" in found["rate"]
    assert "10 facts edited together, 5 in the last group:" in found["generation"]


def test_names() -> None:
    assert label("ft_m-tuned") == "FT-M, tuned" and label("kne-paper") == "KNE, paper" and label("other") == "other"


def test_the_page_says_what_is_missing_and_what_was_chosen(result: dict[str, Any], bare: dict[str, Any]) -> None:
    text = page(result, {"arms": "a-arms.png"})
    assert "**1 of 9 parts were not measured:** random, batches of 10, seed 1." in text
    assert "40 tuning facts chose FT-M, tuned: lr 0.002." in text and "2 with no target" in text
    assert "](a-arms.png)" in text and "](a-share.png)" not in text
    empty = page(bare, {})
    assert "that of a single seed" in empty and "facts chose" not in empty
    assert empty.count("Not measured.") == len(TITLES)


def test_figures_are_files_and_the_same_for_the_same_result(result: dict[str, Any], tmp_path: Path) -> None:
    first, second = draw(result, tmp_path / "a", "x"), draw(result, tmp_path / "b", "x")
    assert first == second == {key: f"x-{key}.png" for key in ("arms", "share", "layers")}
    for name in first.values():
        content = (tmp_path / "a" / name).read_bytes()
        assert content.startswith(b"\x89PNG") and content == (tmp_path / "b" / name).read_bytes()


def test_what_was_not_measured_is_not_drawn(bare: dict[str, Any], tmp_path: Path) -> None:
    assert draw(bare, tmp_path, "x") == {}

"""The documentation is true: its Python runs, its links lead somewhere, its names exist."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=name_of)
def test_python_in_the_documentation_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block by itself, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for block in python_blocks(page):
        names: dict[str, Any] = {}
        exec(compile(block, name_of(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_in_the_documentation_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= set(targets)


def test_every_field_name_in_the_glossary_exists() -> None:
    """Names in code type in the first column are names of the package, unless marked as not there yet."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for row in rows if "†" not in row for name in re.findall(r"`(\w+)`", row)]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []


def test_tables_of_attribution_are_those_of_the_result_file() -> None:
    """Between `<!-- name -->` and `<!-- /name -->` stands what the benchmark's --table prints."""
    from benchmarks._attribution_table import tables

    page = (ROOT / "docs/attribution.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/attribution.json").read_text(encoding="utf-8"))
    for name, table in tables(result).items():
        shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page, re.DOTALL)
        assert shown is not None
        assert shown[1] == table


@pytest.mark.parametrize("model", ["pocket-gelu", "pocket-swiglu"])
@pytest.mark.parametrize(("paper", "module"), [("land", "land.tables"), ("o-edit", "o_edit.page"), ("kne", "kne.page")])
def test_the_page_on_a_paper_is_that_of_the_result_file(paper: str, module: str, model: str) -> None:
    stem = f"{paper}-{model}"
    result = json.loads((ROOT / f"benchmarks/results/{stem}.json").read_text(encoding="utf-8"))
    shown = (ROOT / f"docs/results/{stem}.md").read_text(encoding="utf-8")
    names = re.findall(rf"\]\(({paper}-[\w-]+\.png)\)", shown)
    drawn = {name.removesuffix(".png").removeprefix(f"{stem}-"): name for name in names}
    assert shown == import_module(f"errata.reports.{module}").page(result, drawn)


def test_the_page_on_the_grid_is_that_of_the_result_file() -> None:
    from errata.reports.grid.page import page

    results = json.loads((ROOT / "benchmarks/results/grid.json").read_text(encoding="utf-8"))["models"]
    shown = (ROOT / "docs/results/grid.md").read_text(encoding="utf-8")
    assert shown == page(results, {model: f"grid-{model}-heat.png" for model in results})


def test_the_leaderboard_is_that_of_the_result_file() -> None:
    from benchmarks._leaderboard_table import table
    from errata.reports.leaderboard.page import page

    result = json.loads((ROOT / "benchmarks/results/leaderboard.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs/results/leaderboard.html").read_text(encoding="utf-8") == page(result)
    shown = re.search(
        r"<!-- rows -->\n(.*?)\n<!-- /rows -->", (ROOT / "docs/leaderboard.md").read_text("utf-8"), re.DOTALL
    )
    assert shown and shown[1] == table(result)
    for kind, cases in {"single": 200, "sequential": 500}.items():
        own = [entry for entry in result["entries"] if entry["kind"] == kind and entry["cases"] == cases]
        for model in result["weights"]:
            editors = {result["methods"][entry["method"]]["editor"] for entry in own if entry["model"] == model}
            assert len(editors) >= 8


def test_the_page_on_widths_is_that_of_the_result_files() -> None:
    from errata.reports.o_edit.widths import by_width, page

    files = ["o-edit-pocket-swiglu", "o-edit-swiglu-128-pocket-swiglu", "o-edit-swiglu-384-pocket-swiglu"]
    results = [json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8")) for name in files]
    shown = (ROOT / "docs/results/o-edit-widths.md").read_text(encoding="utf-8")
    drawn = {name[len("o-edit-widths-b") : -len(".png")]: name for name in re.findall(r"\]\(([\w-]+\.png)\)", shown)}
    assert shown == page(by_width(results), drawn)


def test_the_costs_of_land_are_those_of_the_result_file() -> None:
    from benchmarks._land_shapes_table import table

    page = (ROOT / "docs/land.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "benchmarks/results/land-shapes.json").read_text(encoding="utf-8"))
    shown = re.search(r"<!-- costs -->\n(.*?)\n<!-- /costs -->", page, re.DOTALL)
    assert shown and shown[1] == table(rows)


def test_the_tables_of_covariances_are_those_of_the_result_file() -> None:
    from benchmarks._covariance_table import costs, table

    page = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/covariance.json").read_text(encoding="utf-8"))
    for name, expected in {"curve": table(result), "costs": costs(result)}.items():
        shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page, re.DOTALL)
        assert shown and shown[1] == expected


def test_the_tables_of_speed_are_those_of_the_result_file() -> None:
    from benchmarks import _editing_table as tables

    page = (ROOT / "docs/editors.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/editing-speed.json").read_text(encoding="utf-8"))
    for name in ("values", "edits", "solve"):
        shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page, re.DOTALL)
        assert shown and shown[1] == getattr(tables, name)(result)


def test_the_tables_of_exports_are_those_of_the_result_file() -> None:
    from benchmarks import _export_table as tables

    page = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/export.json").read_text(encoding="utf-8"))
    for name in ("loaded", "command", "truncated"):
        shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page, re.DOTALL)
        assert shown and shown[1] == getattr(tables, name)(result)
    for row in result["loaded"]:
        assert row["ways"]["merged"] == {"furthest": 0, "same_token": 1, "entries": 0}
        tolerance = {"float32": 1e-5, "bfloat16": 0.125}[row["dtype"]]
        assert all(row["ways"][way]["furthest"] <= tolerance for way in ("adapter", "merge_and_unload"))


def test_the_memory_of_kne_is_that_of_the_result_file() -> None:
    from benchmarks._kne_memory_table import model, table

    page = (ROOT / "docs/kne.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/kne-memory.json").read_text(encoding="utf-8"))
    shown = re.search(r"<!-- memory -->\n(.*?)\n<!-- /memory -->", page, re.DOTALL)
    assert shown and shown[1] == table(result) and f"weights ({model(result)})" in page
    of_kne = [row for row in result["rows"] if row["share"] is not None]
    assert [row["columns"] for row in of_kne] == sorted(row["columns"] for row in of_kne)
    assert all(row["peak_bytes"] < 0.5 * row["model_bytes"] for row in of_kne if row["share"] <= 0.1)


def test_the_counts_of_data_sets_are_those_of_the_result_file() -> None:
    from benchmarks._data_sets_table import table

    page = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/data-sets.json").read_text(encoding="utf-8"))
    shown = re.search(r"<!-- counts -->\n(.*?)\n<!-- /counts -->", page, re.DOTALL)
    assert shown and shown[1] == table(result)
    assert all(row["loaded"] + sum(row["skipped"].values()) == row["records"] for row in result["rows"])


def test_the_times_of_the_page_are_those_of_the_result_file() -> None:
    from benchmarks._serve_table import RESULT, table

    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- times -->\n(.*?)\n<!-- /times -->", page, re.DOTALL)
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert shown and shown[1] == table(result)
    for model in result["models"].values():
        assert max(model["first_paint_ms"]) <= 1000 and max(model["answer_ms"]) <= 500


def test_the_times_of_evaluating_are_those_of_the_result_file() -> None:
    from benchmarks._evaluating_table import table

    page = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
    result = json.loads((ROOT / "benchmarks/results/evaluating.json").read_text(encoding="utf-8"))
    shown = re.search(r"<!-- times -->\n(.*?)\n<!-- /times -->", page, re.DOTALL)
    assert shown and shown[1] == table(result)
    for row in result["rows"]:
        assert row["cases"] == 200 and row["prompts"] == 5000 and not any(row["other_answers"].values())
        assert row["ratio"]["prompt"] <= 0.1


def test_the_verdicts_shown_are_those_of_the_code() -> None:
    from errata.evaluation import PROTOCOLS, Settings, verdict
    from errata.evaluation.judge import REQUEST

    page = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- verdicts -->\n(.*?)\n<!-- /verdicts -->", page, re.DOTALL)
    assert shown
    rows = [tuple(row.strip("| ").split(" | ")) for row in shown[1].splitlines()[2:]]
    found = [
        (reply, verdict("The capital of France is", reply, ["Paris"], ["London"], ["France's capital is"]).reason)
        for reply, _ in rows
    ]
    assert found == rows and {reason for _, reason in rows} == {"right", "wrong", "contradicts", "repeats", "empty"}
    assert f"```text\n{REQUEST}\n```" in page
    assert re.findall(r"^\| `([\w-]+)` \| (?:to|the same|for|as)", page, re.MULTILINE) == list(PROTOCOLS)
    assert f"{Settings().limit} new tokens" in page

"""The leaderboard's page: every number of its result, bold where level with the best, nothing loaded from elsewhere."""

import copy
import re
from typing import Any

import pytest

from errata.reports.leaderboard.figures import against, bars, retention
from errata.reports.leaderboard.page import page


def score(mean: float, before: float | None = 0.0) -> dict[str, Any]:
    return {"mean": mean, "interval": [mean - 0.04, mean + 0.05], "n": 9, "before": before}


def entry(method: str, when: str, efficacy: float, retained: list[list[float]]) -> dict[str, Any]:
    scores = {"efficacy": score(efficacy), "specificity": score(0.9, 1.0), "multi_hop": score(0.25)}
    return {
        "model": "pocket-gelu",
        "data": "pocket",
        "regime": "9 in a row, one by one",
        "kind": "sequential",
        "when": when,
        "method": method,
        "seeds": [0],
        "cases": 9,
        "already": 1,
        "failed": 2 if method == "B <b>" else 0,
        "seconds_per_step": 0.25,
        "retained": retained,
        "scores": {"generation": scores, "likelihood": {"efficacy": score(0.75), "efficacy_magnitude": score(-0.1)}},
    }


CURVE = [[3, 1.0], [6, 0.5]]
RESULT: dict[str, Any] = {
    "command": "errata leaderboard small.toml",
    "name": "small",
    "versions": {"python": "3.11.0"},
    "weights": {"pocket-gelu": "sha256:abc"},
    "data": [{"model": "pocket-gelu", "data": "pocket", "seed": 0, "cases": 9, "files": {}, "revision": "sha256:def"}],
    "settings": {"limit": 50, "written": 50, "seeds": 1},
    "protocols": ["generation", "likelihood"],
    "methods": {"A": {"editor": "rome"}, "B <b>": {"editor": "ft_m", "lr": 0.5}},
    "units": {
        "planned": 3,
        "measured": 2,
        "missing": ["C, 9 in a row"],
        "failed": [{"unit": "B <b>, 9 in a row", "facts": 2, "error": "diverged"}],
    },
    "entries": [
        entry(method, when, value, CURVE)
        for method, value in (("A", 0.87), ("B <b>", 0.5))
        for when in ("right after", "at the end")
    ],
    "level": [
        {
            "model": "pocket-gelu",
            "data": "pocket",
            "regime": "9 in a row, one by one",
            "when": "right after",
            "protocol": "generation",
            "metric": "efficacy",
            "best": "A",
            "level": ["A"],
        }
    ],
    "seconds": 12.0,
}


@pytest.fixture(scope="module")
def html() -> str:
    return page(RESULT)


def test_every_number_stands_on_the_page_with_its_interval(html: str) -> None:
    for shown in ("0.870", "0.830–0.920", "0.500", "0.900", "0.250", "0.25", "0.750"):
        assert f">{shown}<" in html, shown
    assert "multi hop" in html and "efficacy magnitude" not in html


def test_only_what_is_level_with_the_best_is_bold_and_only_when_it_was_asked(html: str) -> None:
    assert html.count("<strong>0.870</strong>") == 1 and "<strong>0.500</strong>" not in html


def test_protocols_stand_in_tables_of_their_own(html: str) -> None:
    heads = re.findall(r"<h3>(Protocol [^<]*)</h3>", html)
    assert heads == [
        f"Protocol {name}, {when}" for when in ("right after", "at the end") for name in RESULT["protocols"]
    ]
    assert html.count("<em>unedited</em></td>") == 4


def test_what_is_missing_or_failed_is_said_first(html: str) -> None:
    top = html[: html.index("<h2>")]
    assert "C, 9 in a row" in top and "2 cases could not be edited" in top and "diverged" in top and "2 of 3" in top
    assert "1 of them said the target before any edit" in html


def test_the_page_loads_nothing_and_its_names_are_text(html: str) -> None:
    assert not re.search(r"src=|href=\"(?!#)|@import|url\((?!#)", html)
    assert "B &lt;b&gt;" in html and "B <b>" not in html
    assert "sha256:def" in html and "errata leaderboard small.toml" in html


def test_figures_are_drawn_for_what_was_measured() -> None:
    own = [row for row in RESULT["entries"] if row["when"] == "at the end"]
    assert "<svg" in bars(own, "generation", ["efficacy", "specificity", "portability"], "t")
    assert against(own, "likelihood", "t") is None and "<svg" in (against(own, "generation", "t") or "")
    single = copy.deepcopy(own)
    for row in single:
        row["retained"] = []
    assert retention(single, "t") is None
    assert (retention(own, "t") or "").count("cases edited") >= 1


def test_a_result_of_nothing_has_a_page() -> None:
    nothing = {**RESULT, "entries": [], "level": [], "units": {**RESULT["units"], "measured": 0}}
    assert "0 of 3" in page(nothing)

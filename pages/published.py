"""What papers print about a method, as they print it; none of it was measured here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from errata.reports.land import paper
from errata.reports.markdown import table
from pages.links import ROOT

FILE = ROOT / "pages/published.toml"
NONE = "No published number is quoted here."
LAND = "Wu et al. 2025 (LAND)"
TITLES = {
    4: "LAND's table 4: one phrasing's neurons",
    7: "LAND's table 7: the detector's neurons",
    9: "LAND's table 9: change ratio of the answer with the neurons doubled",
    10: "LAND's table 10: share of questions answered with the label after the edit",
}
COLUMNS = {
    "n_s": "N_s",
    "n_u": "N_u",
    "n_so": "N_so",
    "r_so": "R_so",
    "n_uo": "N_uo",
    "r_uo": "R_uo",
    "same": "Same",
    "related": "Related",
    "unrelated": "Unrelated",
}
SHARES = frozenset({"r_so", "r_uo"})


@cache
def numbers() -> dict[str, Any]:
    """The file of published numbers."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def section(name: str) -> str:
    """Every published table's rows of a method with their source, or why there are none."""
    found = [*_of_file(name), *_of_land(name)]
    return "\n\n".join(found) or numbers()["absent"].get(name, NONE)


def _of_file(name: str) -> Iterator[str]:
    for source in numbers()["source"]:
        rows = [row[1:] for row in source["rows"] if row[0] == name]
        if rows:
            yield f"{source['title']}.\n\n{table(source['columns'], rows)}\n\nFrom {source['from']}."


def _of_land(name: str) -> Iterator[str]:
    for number, title in TITLES.items():
        rows = [row for row in (*paper.IDENTIFICATION, *paper.AMPLIFICATION, *paper.EDITING) if row.table == number]
        own = [row for row in rows if row.method == name]
        if own:
            head = ["model", *(COLUMNS[column] for column in own[0].values)]
            shown = [[row.model, *(_value(row.table, *one) for one in row.values.items())] for row in own]
            yield f"{title}.\n\n{table(head, shown)}\n\nFrom {LAND}."


def _value(number: int, column: str, value: float) -> str:
    return f"{100 * value:.2f} %" if column in SHARES or number == 10 else f"{value:.2f}"

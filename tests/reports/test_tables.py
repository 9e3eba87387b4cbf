"""Tables for the terminal: they fit, and say the same without colours."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from errata.evaluation import compare
from errata.reports.tables import before_after, cells_for, heat_strip, neuron_table, strongest
from tests.reports.test_figures import attribution
from tests.reports.test_html import outcome


def shown(what: RenderableType, width: int = 100, color: bool = False) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=color, no_color=not color, highlight=False).print(what)
    return screen.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_strip_fits_and_holds_every_layers_numbers(width: int) -> None:
    found = attribution(layers=6, d_ff=1024)
    lines = shown(heat_strip(found, cells_for(width)), width).splitlines()
    assert len(lines) == 7 and all(len(line) <= width for line in lines)
    for line, row in zip(lines[1:], found.scores, strict=True):
        assert f"{float(row.sum()):+.2g}" in line
        assert "…" not in line
    assert "█" in "".join(lines)


def test_the_neuron_table_names_the_strongest() -> None:
    found = attribution()
    lines = shown(neuron_table(found, 5)).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [f"L{at}·N{index}" for (at, index), _ in strongest(found.scores, 5)]
    assert "100%" in lines[0]


def test_before_and_after_with_and_without_colours() -> None:
    table = before_after(compare(outcome(False), outcome(True)))
    plain, colored = shown(table), shown(table, color=True)
    assert "\x1b[" in colored and "\x1b[" not in plain
    assert "1 of 1 say 'Eng<lish'" in plain and "1 of 1 unchanged" in plain
    assert "Fre&nch" in plain and "✓" in plain and "=" in plain


def test_scores_that_are_no_shares_of_a_change_have_no_gap() -> None:
    found = replace(attribution(layers=6), change=None)
    lines = shown(heat_strip(found, 64)).splitlines()
    assert lines[0].split()[-1] == "sum" and len(lines) == 7
    assert all(f"{float(row.sum()):+.2g}" in line for line, row in zip(lines[1:], found.scores, strict=True))
    assert "not kept" in shown(neuron_table(found)) and "threshold" not in shown(neuron_table(found))

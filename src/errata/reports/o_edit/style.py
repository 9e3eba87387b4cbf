"""What the figures of a result of `errata reproduce o-edit` have in common: the line of every editor."""

from __future__ import annotations

from dataclasses import dataclass

# Okabe and Ito's palette for the editors that the eye should follow, greys for the others.
BLUE, SKY, GREEN, VERMILION, PURPLE, AMBER = "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#B8860B"
GREY = "#8c8c8c"


@dataclass(frozen=True)
class Line:
    """How an editor is drawn; `strong` lines lie above the others and are thicker."""

    color: str
    marker: str = "."
    dash: str = "-"
    strong: bool = False


LINES = {
    "rome": Line(BLUE, "o", "-", True),
    "memit": Line(SKY, "o", "--"),
    "memit_aligned": Line(GREEN, "s", "-", True),
    "alphaedit": Line(AMBER, "D", "-", True),
    "rect": Line(GREY, "v", ":"),
    "prune": Line(GREY, "P", "--"),
    "delta_edit": Line(GREY, "X", "-."),
    "o_edit": Line(VERMILION, "^", "--"),
    "o_edit_plus": Line(VERMILION, "^", "-", True),
    "o_edit_plus-memit_aligned": Line(PURPLE, "*", "-", True),
}
# For arms that have no line of their own.
OTHERS = (Line("#595959", "<", "-"), Line("#595959", ">", "--"), Line("#595959", "h", ":"), Line("#595959", "d", "-."))


def line_of(arm: str, place: int) -> Line:
    """An arm's line; `place` tells arms without one apart."""
    return LINES.get(arm, OTHERS[place % len(OTHERS)])

"""What the figures of a result of `errata reproduce land` have in common: letters, and one colour a method."""

from __future__ import annotations

from typing import TypeAlias

from matplotlib.colors import to_rgb

from errata.reports.land.numbers import RANDOM

Color: TypeAlias = str | tuple[float, float, float]

# Okabe and Ito's palette: told apart with every kind of colour vision.
COLORS = {
    "knowledge_neurons": "#0072B2",
    "kn_refined": "#56B4E9",
    "land": "#D55E00",
    "fact_code": "#009E73",
    "relation_frequent": "#CC79A7",
}
OTHER = "#8c8c8c"
MARKERS = {"knowledge_neurons": "o", "kn_refined": "s", "land": "D", "fact_code": "^", "relation_frequent": "v"}


def color_of(method: str) -> Color:
    """A method's colour; a random control has its model's, half as strong."""
    if method.startswith(RANDOM):
        red, green, blue = to_rgb(color_of(method.removeprefix(RANDOM)))
        return ((1 + red) / 2, (1 + green) / 2, (1 + blue) / 2)
    return COLORS.get(method, OTHER)

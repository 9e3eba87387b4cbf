"""What the figures of a result of `errata reproduce land` have in common: letters, and one colour a method."""

from __future__ import annotations

from typing import Any, TypeAlias

from matplotlib.colors import to_rgb
from matplotlib.typing import RcKeyType

from errata.reports.land.numbers import RANDOM

Color: TypeAlias = str | tuple[float, float, float]

INK, MUTED, LINE = "#1a1a1a", "#595959", "#b8b8b8"
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
STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "hatch.color": "white",
    "hatch.linewidth": 1.2,
}


def color_of(method: str) -> Color:
    """A method's colour; a random control has its model's, half as strong."""
    if method.startswith(RANDOM):
        red, green, blue = to_rgb(color_of(method.removeprefix(RANDOM)))
        return ((1 + red) / 2, (1 + green) / 2, (1 + blue) / 2)
    return COLORS.get(method, OTHER)

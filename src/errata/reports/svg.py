"""Matplotlib figures as inline SVG whose colours and letters are the page's own, light or dark.

A figure is drawn in stand-in colours, one for each role of the page's style sheet; in the SVG text every stand-in is
replaced by the style sheet's variable. Letters stay letters, so they can be searched, copied and read aloud.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # matplotlib 3.11 has it

INK, MUTED, LINE, LANE = "#010101", "#020202", "#030303", "#040404"
PAPER, HEAT, OLD, NEW, KEPT = "#050505", "#060606", "#070707", "#080808", "#090909"
ROLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    LANE: "lane",
    PAPER: "paper",
    HEAT: "heat",
    OLD: "old",
    NEW: "new",
    KEPT: "kept",
}
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "errata",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def drawing(width: float, height: float) -> Generator[Figure]:
    """A figure of this size in inches, in the page's stand-in colours; matplotlib's own settings are left alone."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width, height), facecolor="none")


def inline(figure: Figure, description: str) -> str:
    """The figure as an SVG element for an HTML page; it refers to nothing outside itself."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Letters stay letters: the reader's fonts draw what matplotlib's lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for color, role in ROLES.items():
        text = text.replace(color, f"var(--{role})")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)

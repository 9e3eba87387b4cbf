"""Figures of result pages as PNG files, all in one style, with letters of 9 points or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # matplotlib 3.11 has it

INK, MUTED, LINE = "#1a1a1a", "#595959", "#b8b8b8"
DPI = 150
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


def write(drawings: Mapping[str, Callable[[], Figure | None]], folder: Path, stem: str) -> dict[str, str]:
    """Draw and write `STEM-NAME.png` for every figure there is something for; the files' names by figure."""
    written: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        for name, drawing in drawings.items():
            figure = drawing()
            if figure is not None:
                written[name] = f"{stem}-{name}.png"
                figure.savefig(folder / written[name], dpi=DPI, facecolor="white", metadata={"Software": None})
    return written

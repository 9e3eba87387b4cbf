"""Two results held against each other, as a table for the terminal and in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import ceil

from rich.table import Table
from rich.text import Text

from errata.evaluation.contrast import Contrast, Contrasts
from errata.evaluation.significance import LEAST, LEVEL

MINUS = "−"
CORRECTIONS = {"holm": "Holm's", "bh": "Benjamini–Hochberg's"}
COLOURS = {"a higher": "green", "b higher": "green", "not shown": "dim", "n too small": "yellow"}


def contrast_table(found: Contrasts, a: str, b: str) -> Table:
    """One line a metric: both means, their difference with its interval, p as corrected, and what that shows."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("metric", overflow="fold")
    for title in ("n", a, b, "difference", "95 % interval", "p"):
        table.add_column(Text(title), justify="right")
    table.add_column("verdict")
    for protocol, rows in groupby(found.rows, lambda row: row.protocol):
        table.add_row(Text(protocol, style="bold"))
        for row in rows:
            numbers = f"{row.n:,}", f"{row.mean_a:.3f}", f"{row.mean_b:.3f}", signed(row.difference)
            verdict = Text(verdict_of(row, a, b), style=COLOURS[row.verdict])
            table.add_row(*map(Text, (row.metric, *numbers, _interval(row), probability(row.corrected))), verdict)
    return table


def sentences(found: Contrasts, a: str, b: str) -> Iterator[str]:
    """What each metric shows, which cases were paired, and what else to know."""
    for row in found.rows:
        yield sentence(row, a, b)
    yield counted(found, a, b)
    yield from found.notes


def sentence(row: Contrast, a: str, b: str) -> str:
    """What one metric shows, in plain words."""
    seen = f"{a} {MINUS} {b} = {signed(row.difference)} {_interval(row)}, n = {row.n:,}"
    test = f"{row.test}, corrected p {_equals(row.corrected)}"
    where = f"{row.metric} ({row.protocol})"
    match row.verdict:
        case "a higher" | "b higher":
            higher, other = (a, b) if row.verdict == "a higher" else (b, a)
            return f"{where}: {higher} is higher than {other} ({seen}; {test})."
        case "n too small":
            few = f"{row.differing} of {row.n:,} facts differ, and with fewer than {LEAST} p cannot be below 0.05"
            return f"{where}: n is too small ({seen}): {few}.{_needed(row)}"
        case _:
            if not row.differing:
                return f"{where}: no difference is shown: not one of {row.n:,} facts differs."
            return f"{where}: no difference is shown ({seen}; {test}).{_smallest(row)}{_needed(row)}"


def counted(found: Contrasts, a: str, b: str) -> str:
    """How many cases were paired, how many only one of the two has, and how p was corrected."""
    lonely = [f"{count:,} only in {name}" for name, count in ((a, found.only_a), (b, found.only_b)) if count]
    left = f"; left out: {' and '.join(lonely)}" if lonely else ", none only in one"
    correction = CORRECTIONS.get(found.correction)
    many = "one comparison" if len(found.rows) == 1 else f"{len(found.rows)} comparisons"
    how = f"p is corrected for {many} ({correction})" if correction else "p is not corrected"
    return f"Cases and seeds in both: {found.paired:,}{left}; {how}."


def verdict_of(row: Contrast, a: str, b: str) -> str:
    """The verdict, with the names in it."""
    return {"a higher": f"{a} higher", "b higher": f"{b} higher"}.get(row.verdict, row.verdict)


def signed(value: float) -> str:
    """A difference: `+0.120`, `−0.050`, and `0.000` for what rounds to nothing."""
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def probability(p: float) -> str:
    """A p-value: `0.021`, or `<0.001`."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _equals(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _interval(row: Contrast) -> str:
    return "[{}, {}]".format(*map(signed, row.interval))


def _smallest(row: Contrast) -> str:
    if row.smallest is None:
        return ""
    if not row.interval[0] <= 0 <= row.interval[1]:
        return f" The interval leaves out 0, but corrected p is not below {LEVEL}: this is a hint, and no more."
    return f" These {row.n:,} facts could show a difference of {row.smallest:.3f} or more."


def _needed(row: Contrast) -> str:
    if row.needed is None or row.needed <= row.n:
        return ""
    magnitude = 10 ** max(0, len(str(row.needed)) - 2)
    about = ceil(row.needed / magnitude) * magnitude
    return f" About {about:,} facts would show one of this size, four times out of five."

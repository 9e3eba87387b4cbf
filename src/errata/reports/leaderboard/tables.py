"""Scores of an evaluation as tables for the terminal: one a protocol, since protocols are never mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from errata.evaluation.ability import Abilities
from errata.evaluation.results import Results
from errata.evaluation.summary import summary
from errata.reports.markdown import MISSING, plain


def score_tables(found: Results) -> Iterator[Table]:
    """Every protocol's scores with their intervals, beside what the unedited model scores."""
    for protocol, scores in summary(found).items():
        table = Table(box=None, pad_edge=False, title=f"protocol {protocol}", title_justify="left")
        table.add_column("score")
        for head in ("before", "after", "95 % interval", "n"):
            table.add_column(head, justify="right")
        for name, score in scores.items():
            low, high = score["interval"]
            table.add_row(
                name,
                plain(score["before"]),
                plain(score["mean"]),
                f"{plain(low)} to {plain(high)}",
                str(score["n"]),
            )
        yield table


def ability_table(found: Mapping[str, Abilities]) -> Table:
    """General ability before and after."""
    table = Table(box=None, pad_edge=False, title="general ability", title_justify="left")
    table.add_column("task")
    table.add_column("protocol")
    for when in found:
        table.add_column(when, justify="right")
    last = list(found.values())[-1]
    for name, score in last.scores.items():
        means = [plain(own.scores[name].mean) if name in own.scores else MISSING for own in found.values()]
        table.add_row(name, score.protocol, *means)
    if last.perplexity is not None:
        values = [MISSING if own.perplexity is None else plain(own.perplexity.per_token, 2) for own in found.values()]
        table.add_row("perplexity a token", "held-out text", *values)
    return table

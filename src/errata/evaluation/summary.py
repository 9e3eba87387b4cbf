"""Results in short: every score's mean over facts with its interval, beside what the unedited model scores."""

from __future__ import annotations

from typing import Any

from errata.evaluation.contrast import DESIGNS
from errata.evaluation.results import Results
from errata.evaluation.statistics import mean_over_facts, score


def summary(found: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """By protocol and metric: `mean`, its 95 % `interval`, `n` facts, and the mean `before` the edits (or None)."""
    return {protocol: _scores(found, protocol) for protocol in found.header.protocols}


def _scores(found: Results, protocol: str) -> dict[str, dict[str, Any]]:
    design = DESIGNS[found.header.regime]
    scores: dict[str, dict[str, Any]] = {}
    for metric in found.metrics(protocol):
        now = score(found.values(protocol, metric), design)
        then = found.values(protocol, metric, "before")
        if now is not None:
            scores[metric] = {
                "mean": now.mean,
                "interval": [now.low, now.high],
                "n": now.n,
                "before": mean_over_facts(then) if then else None,
            }
    return scores

"""A result of `errata reproduce o-edit` with made-up numbers: ten editors, batches, switches, alarms."""

from math import log10
from typing import Any

import pytest

ARMS = (
    "rome",
    "memit",
    "memit_aligned",
    "alphaedit",
    "rect",
    "prune",
    "delta_edit",
    "o_edit",
    "o_edit_plus",
    "o_edit_plus-memit_aligned",
)
LENGTHS = (1, 10, 50, 100, 200, 500, 1000)
SCORES = ("efficacy", "generalization", "specificity")


def measured(mean: float, interval: float | None = 0.01) -> dict[str, Any]:
    return {"mean": mean, "interval": interval, "seeds": [mean, mean]}


def row(edits: int, loss: float) -> dict[str, Any]:
    """Scores that fall with the logarithm of the edits, `loss` for each power of ten."""
    found: dict[str, Any] = {"edits": edits, "seeds": [0, 1]}
    for place, name in enumerate((*SCORES, "mean")):
        found[name] = measured(max(0.0, 1 - 0.02 * place - loss * log10(edits)))
        found[f"after_{name}"] = measured(max(0.0, 1 - 0.01 * place - loss / 3 * log10(edits)))
    found["known"] = measured(max(0.0, 1 - 0.5 * loss * log10(edits)))
    found["perplexity"] = None
    found["relative"] = measured(loss * edits**0.5 / 10)
    found["growth"] = measured(1 + edits / 1000)
    found["space"] = measured(min(1.0, edits / 400))
    found["cosine"] = measured(0.1)
    return found


def single(mean: float) -> dict[str, Any]:
    scores = {name: {"name": name, "mean": mean, "interval": [mean - 0.02, mean + 0.01], "n": 200} for name in SCORES}
    return {"scores": scores, "seconds_per_edit": 1.234, "failed": 0, "editor": {"editor": "rome"}}


@pytest.fixture
def result() -> dict[str, Any]:
    """Everything measured but one unit, with two seeds."""
    losses = {arm: 0.05 + 0.03 * (9 - place) for place, arm in enumerate(ARMS)}
    first = {"edits": 100, "reason": "Efficacy of all edits so far is 0.62, below 0.8."}
    alarm = {"first": first, "count": 2, "below_half": 500, "stable": 50}
    calm = {"first": None, "count": 0, "below_half": None, "stable": 1000}
    return {
        "command": "errata reproduce o-edit --model pocket-gelu",
        "method": "reconstruction of O-Edit",
        "model": "pocket-gelu",
        "data": {"name": "pocket-gelu", "files": [], "skipped": {}, "text": False},
        "versions": {"errata-lm": "0.1.0"},
        "seeds": [0, 1],
        "settings": {"edits": 1000, "lengths": list(LENGTHS), "batches": [1, 50], "single": 200, "ablation": 200},
        "arms": {arm: {"editor": arm.partition("-")[0], "seed": 0} for arm in ARMS},
        "single": {
            "facts": 200,
            "arms": {arm: single(0.95) for arm in ARMS},
            "targets": [
                {"name": "single edits: efficacy of rome", "value": 0.95, "wanted": "≥ 0.98", "reached": False}
            ],
        },
        "units": {"planned": 50, "measured": 49, "missing": ["rome, batches of 50, seed 1"], "failed": []},
        "sequences": {
            "1": {arm: [row(edits, losses[arm]) for edits in LENGTHS] for arm in ARMS},
            "50": {arm: [row(edits, losses[arm] / 2) for edits in (50, 100, 200, 500, 1000)] for arm in ARMS},
        },
        "alarms": [
            {"arm": arm, "batch": 1, "seed": seed, **(alarm if place < 7 else calm)}
            for place, arm in enumerate(ARMS)
            for seed in (0, 1)
        ],
        "ablation": [
            {"change": {"enforce": "none"}, **row(200, 0.2)},
            {"change": {"enforce": "post", "protect": "history"}, **row(200, 0.1)},
            {"change": {"implicit_rank": 0}, **row(200, 0.15)},
            {"change": {"energy": 1.0}, **row(200, 0.12)},
        ],
        "covariance": {"rome": {"with": row(200, 0.2), "without": row(200, 0.3)}},
        "seconds": 1234.5,
        "targets": [
            {"name": "lead", "value": 4.5, "wanted": "≥ 4.2 ×", "reached": True, "note": "rome has collapsed"},
            {"name": "quiet", "value": None, "wanted": "0", "reached": None},
        ],
    }


@pytest.fixture
def bare(result: dict[str, Any]) -> dict[str, Any]:
    """One seed, one arm, single edits only in sequence, nothing else measured."""
    rows: list[dict[str, Any]] = [row(edits, 0.1) for edits in (1, 10)]
    for one in rows:
        one |= {name: {**value, "interval": None} for name, value in one.items() if isinstance(value, dict)}
    failed = [{"unit": "rome, batches of 1, seed 0", "facts": 3, "error": "The value optimisation diverged"}]
    return {
        **result,
        "seeds": [0],
        "single": {"facts": 0, "arms": {}, "targets": []},
        "sequences": {"1": {"rome": rows, "memit": []}},
        "units": {"planned": 2, "measured": 1, "missing": ["memit, batches of 1, seed 0"], "failed": failed},
        "alarms": [],
        "ablation": [],
        "covariance": {},
        "targets": [],
    }

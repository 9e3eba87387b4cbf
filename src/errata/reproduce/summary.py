"""Numbers over seeds: the mean with Student's 95 % interval, and curves read at a given height."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

# Student's t, two-sided 95 %, by degrees of freedom; 1.96 beyond.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def over_seeds(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean, half-width of the 95 % interval of the mean (None for one seed) and every seed's value."""
    found = [float(value) for value in values if value is not None]
    if not found:
        return None
    mean, n = sum(found) / len(found), len(found)
    interval = None
    if n > 1:
        spread = sqrt(sum((value - mean) ** 2 for value in found) / (n - 1))
        interval = (STUDENT[n - 2] if n - 2 < len(STUDENT) else 1.96) * spread / sqrt(n)
    return {
        "mean": _short(mean),
        "interval": None if interval is None else _short(interval),
        "seeds": [_short(value) for value in found],
    }


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def at_kept(curve: Sequence[dict[str, Any]], kept: float) -> dict[str, float] | None:
    """The point with the largest `related` among those of the curve, and between them, that keep at least `kept`.

    Between two neighbouring λ every quantity is taken to change along a straight line.
    """
    points = sorted(curve, key=lambda point: point["lambda"])
    best: dict[str, float] | None = None
    for here, there in zip(points, [*points[1:], None], strict=True):
        candidates = [here]
        if there is not None and (here["kept"] - kept) * (there["kept"] - kept) < 0:
            way = (here["kept"] - kept) / (here["kept"] - there["kept"])
            candidates.append({name: here[name] + way * (there[name] - here[name]) for name in here})
        for point in candidates:
            if point["kept"] >= kept - 1e-12 and (best is None or point["related"] > best["related"]):
                best = dict(point)
    return best


def _short(value: float) -> float:
    return float(f"{value:.6g}")

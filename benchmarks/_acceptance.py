"""The measures that the attribution benchmark is accepted by, computed from what it measured."""

from __future__ import annotations

from typing import Any

from _cells import PUBLISHED

LARGE = 64  # prompts
TARGETS: dict[str, dict[str, float]] = {
    "ratio_exact_single": {"at_least": 11},
    "ratio_gauss_single": {"at_least": 25},
    "ratio_exact_batch": {"at_least": 18},
    "ratio_gauss_batch": {"at_least": 45},
    "max_relative_difference": {"at_most": 1e-5},
    "growth_16_to_64": {"at_most": 1.15},
    "rate_share": {"at_least": 0.6},
    "memory_share_of_budget": {"at_most": 1},
}


def summary(
    rows: list[dict[str, Any]],
    growth: list[dict[str, Any]],
    errors: list[dict[str, Any]],
    memory: list[dict[str, Any]],
    work: dict[str, Any],
    main: str,
    tokens: int,
    points: int | None,
) -> dict[str, Any]:
    """The accepted measures with their targets, then everything they come from."""
    at = {_place(row): row for row in rows}
    exact, large = (at[main, tokens, *PUBLISHED, batch] for batch in (1, LARGE))
    gauss = [at.get((main, tokens, "gauss-legendre", points, batch)) for batch in (1, LARGE)]

    def share(flops: int, seconds: float) -> float:
        return flops / seconds / large["matmul_rate"]

    values = {
        "ratio_exact_single": exact["ratio_published"],
        "ratio_gauss_single": gauss[0]["ratio_published"] if gauss[0] else None,
        "ratio_exact_batch": large["ratio_published"],
        "ratio_gauss_batch": gauss[1]["ratio_published"] if gauss[1] else None,
        "max_relative_difference": max(row["largest_difference_plain"] for row in (exact, large)),
        "growth_16_to_64": next(found["growth"] for found in growth if _is_headline(found)),
        "rate_share": share(work["flops"], large["seconds"]["median"]),
        "memory_share_of_budget": max(found["share"] for found in memory if "share" in found),
    }
    by_points = {
        row["points"]: {"single": row["ratio_published"], "batch": at[*_place(row)[:-1], LARGE]["ratio_published"]}
        for row in rows
        if _place(row)[:3] == (main, tokens, "gauss-legendre") and row["batch"] == 1
    }
    return {
        **values,
        "targets": {name: {**target, "reached": reached(values[name], target)} for name, target in TARGETS.items()},
        "headline": {"model": main, "tokens": tokens, "gauss_points": points, "ratios_by_gauss_points": by_points},
        "growth": growth,
        "work": {
            **work,
            "matmul_rate": large["matmul_rate"],
            "plain_rate_share": share(work["plain_flops"], large["plain_seconds"]["median"]),
        },
        "memory": memory,
        "errors": errors,
        "rows": rows,
    }


def _is_headline(growth: dict[str, Any]) -> bool:
    return (growth["scheme"], growth["rule"], growth["points"], growth["batch"]) == ("errata", *PUBLISHED, 1)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["tokens"], row["rule"], row["points"], row["batch"]


def reached(value: float | None, target: dict[str, float]) -> bool:
    """Whether a value keeps to its target; what was not measured does not."""
    return value is not None and target.get("at_least", value) <= value <= target.get("at_most", value)

"""The attribution benchmark's result file as short Markdown tables, for the docs."""

from __future__ import annotations

from typing import Any

SHOWN_POINTS = ("2", "3", "4", "6", "8")


def tables(result: dict[str, Any]) -> dict[str, str]:
    """What the docs show of a result: `times`, and `errors` where they were measured."""
    if "errors" not in result:
        return {"times": _timing(result["rows"])}
    times = [_acceptance(result), _points(result["headline"]), _timing(result["rows"])]
    return {"times": "\n\n".join(times), "errors": _errors(result["errors"])}


def _acceptance(result: dict[str, Any]) -> str:
    lines = ["| measure | value | wanted | reached |", "|---|---|---|---|"]
    for name, wanted in result["targets"].items():
        bound = f"≥ {wanted['at_least']:g}" if "at_least" in wanted else f"≤ {wanted['at_most']:g}"
        lines.append(f"| `{name}` | {_number(result[name])} | {bound} | {'yes' if wanted['reached'] else 'no'} |")
    return "\n".join(lines)


def _timing(rows: list[dict[str, Any]]) -> str:
    """One line a model and length: the rivals' seconds a prompt at the published points, and how many times faster."""
    lines = [
        "| model | tokens | plain, s | captum, s | same points, 1 prompt | 64 | 6 Gauss, 1 prompt | 64 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model, dtype, tokens in dict.fromkeys((row["model"], row["dtype"], row["tokens"]) for row in rows):
        own = {
            (row["rule"], row["points"], row["batch"]): row
            for row in rows
            if (row["model"], row["dtype"], row["tokens"]) == (model, dtype, tokens)
        }
        single = own["riemann-right", 20, 1]
        rivals = [single[f"{who}_seconds"]["median"] if f"{who}_seconds" in single else None for who in RIVALS]
        ratios = [
            own.get((rule, points, batch), {}).get("ratio_published")
            for rule, points in (("riemann-right", 20), ("gauss-legendre", 6))
            for batch in (1, 64)
        ]
        name = model if dtype == "float32" else f"{model}, {dtype}"
        cells = [name, str(tokens), *map(_number, rivals), *(_times(ratio) for ratio in ratios)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


RIVALS = ("plain", "captum")


def _errors(errors: list[dict[str, Any]]) -> str:
    """One line a model: the largest error over its prompts, of the published rule, Gauss–Legendre and the default."""
    gauss_heads = [f"{points} Gauss" for points in SHOWN_POINTS]
    heads = ["model", "prompts", "20 right Riemann", *gauss_heads, "default", "gap, 20 right Riemann", "gap, default"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for found in errors:
        gauss = [_percent(found["gauss_legendre"][points]["largest_error"]) for points in SHOWN_POINTS]
        cells = [
            found["model"],
            str(found["prompts"]),
            _percent(found["published"]["largest_error"]),
            *gauss,
            _percent(found["default"]["largest_error"]),
            *(_percent(found[rule]["largest_gap"]) for rule in ("published", "default")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _points(headline: dict[str, Any]) -> str:
    """How many times faster than the published scheme each number of Gauss–Legendre points is."""
    lines = ["| Gauss–Legendre points | 1 prompt | 64 prompts |", "|---|---|---|"]
    for points, ratios in headline["ratios_by_gauss_points"].items():
        lines.append(f"| {points} | {_times(ratios['single'])} | {_times(ratios['batch'])} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ×"


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %"

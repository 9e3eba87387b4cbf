"""The seeds' numbers of a LAND reproduction put together: means, intervals, equal damage, targets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from errata.reproduce.land.plan import Plan
from errata.reproduce.land.sets import BASELINE, CODE, LAND, METHODS, RANDOM, REFINED
from errata.reproduce.summary import at_kept, mean, over_seeds

KINDS = ("same", "related", "unrelated", "kept", "kept_same_object")
POINTS = 0.1083  # LAND's lead over the baseline on Related in table 10, as a share

Seeds = Sequence[dict[str, Any]]
Equal = Sequence[dict[str, dict[str, float] | None]]


def result_of(seeds: Seeds, plan: Plan) -> dict[str, Any]:
    """Everything of the result that is worked out from the seeds."""
    curves = [{name: _curve(one, plan, name) for name in METHODS} for one in seeds]
    equal: Equal = [{name: at_kept(curve, plan.kept) for name, curve in one.items()} for one in curves]
    found: dict[str, Any] = {
        "protocol": {name: sum(one["protocol"][name] for one in seeds) for name in seeds[0]["protocol"]},
        "identification": {
            name: {key: over_seeds([one["identification"][name][key] for one in seeds]) for key in numbers}
            for name, numbers in seeds[0]["identification"].items()
        },
        "unseen_objects": sum(one["unseen_objects"] for one in seeds),
        "figure1": _figure1(seeds),
        "example": seeds[0]["example"],
        "layers": [over_seeds([one["layers"][at] for one in seeds]) for at in range(len(seeds[0]["layers"]))],
        "losses": seeds[0]["losses"],
        **{
            table: {name: _kinds([one[table][name] for one in seeds], KINDS[:3]) for name in METHODS}
            for table in ("amplification", "suppression")
        },
        "before": _kinds([one["before"] for one in seeds], KINDS[:3]),
        "editing": {
            name: {
                "neurons": over_seeds([one["neurons"][name] for one in seeds]),
                **_kinds([one["editing"][name] for one in seeds], KINDS),
            }
            for name in METHODS
        },
        "curve": {
            name: [
                {
                    "lambda": strength,
                    **{kind: over_seeds([one[name][at][kind] for one in curves]) for kind in KINDS[:4]},
                }
                for at, strength in enumerate(plan.lambdas)
            ]
            for name in METHODS
        },
        "equal_damage": {
            name: {
                key: over_seeds([point[key] if (point := one[name]) else None for one in equal])
                for key in ("lambda", "related", "unrelated")
            }
            for name in METHODS
        },
    }
    found["differences"] = _differences(seeds, equal)
    found["targets"] = _targets(found)
    return found


def _kinds(per_seed: Sequence[dict[str, list[float]]], kinds: Sequence[str]) -> dict[str, Any]:
    return {kind: over_seeds([mean(one.get(kind, [])) for one in per_seed]) for kind in kinds}


def _curve(one: dict[str, Any], plan: Plan, name: str) -> list[dict[str, float]]:
    points: list[dict[str, float]] = []
    for strength in plan.lambdas:
        values = one[f"curve {strength}"][name]
        points.append({"lambda": strength, **{kind: mean(values.get(kind, [])) or 0.0 for kind in KINDS[:4]}})
    return points


def _figure1(seeds: Seeds) -> dict[str, Any]:
    first = seeds[0]["figure1"]
    bins = len(next(iter(first.values()))["r_so"])
    return {
        "edges": [round(at / bins, 6) for at in range(bins + 1)],
        "methods": {
            name: {
                **{
                    key: [sum(one["figure1"][name][key][at] for one in seeds) for at in range(bins)]
                    for key in ("r_so", "r_uo")
                },
                **{key: mean([one["figure1"][name][key] for one in seeds]) for key in ("mean_r_so", "mean_r_uo")},
            }
            for name in first
        },
    }


def _differences(seeds: Seeds, equal: Equal) -> list[dict[str, Any]]:
    """Related success of one method less another's, seed by seed, as printed and at equal damage."""
    rows: list[dict[str, Any]] = []
    for one, other in ((LAND, BASELINE), (CODE, LAND), (CODE, BASELINE)):
        printed = [_related(seed, one) - _related(seed, other) for seed in seeds]
        rows.append({"name": f"{one} − {other}, Related, as printed", "value": over_seeds(printed)})
        level = [here["related"] - there["related"] for s in equal if (here := s[one]) and (there := s[other])]
        rows.append({"name": f"{one} − {other}, Related, at equal damage", "value": over_seeds(level)})
    return rows


def _related(seed: dict[str, Any], name: str) -> float:
    return mean(seed["editing"][name]["related"]) or 0.0


def _targets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the reproduction should show, each with its value, and whether it does."""

    def value(table: str, name: str, key: str) -> float:
        score = found[table][name][key]
        return 0.0 if score is None else float(score["mean"])

    differences = {row["name"]: row["value"] for row in found["differences"]}
    printed, level = (differences[f"{LAND} − {BASELINE}, Related, {how}"] for how in ("as printed", "at equal damage"))
    lead = value("editing", CODE, "related") - value("editing", LAND, "related")
    leak = value("editing", CODE, "unrelated") - value("editing", LAND, "unrelated")
    code_same, code_cross = (value("identification", CODE, key) for key in ("r_so", "cross_same_relation"))
    order = [value("editing", name, "related") for name in (LAND, REFINED, BASELINE, RANDOM + BASELINE)]
    steps = min(here - there for here, there in pairwise(order))
    checks = [
        ("R_so of land on held-out facts", value("identification", LAND, "r_so"), ">=", 0.96),
        ("R_so of fact_code on held-out facts", code_same, ">=", 0.85),
        ("R_cross / R_so of fact_code, same relation", code_cross / code_same if code_same else 1.0, "<=", 0.5),
        ("Related as printed: smallest step of land > kn_refined > knowledge_neurons > random", steps, ">", 0.0),
        ("Related as printed: land − knowledge_neurons", printed["mean"] if printed else 0.0, ">=", POINTS),
        ("Related at equal damage: land − knowledge_neurons", level["mean"] if level else 0.0, ">=", POINTS),
        ("Related as printed: fact_code − land", lead, ">", 0.0),
        ("Unrelated as printed: fact_code − land", leak, "<", 0.0),
    ]
    signs = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
    reach = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    return [
        {"name": name, "value": round(got, 6), "wanted": f"{signs[sign]} {bound:g}", "reached": reach[sign](got, bound)}
        for name, got, sign, bound in checks
    ]

"""A result of `errata reproduce land` as small as it can be, its numbers made up."""

from typing import Any

import pytest

METHODS = ["knowledge_neurons", "kn_refined", "land", "fact_code", "relation_frequent", "random_as_land"]
SETS = {
    "knowledge_neurons": [[[0, 3], [1, 7], [2, 9]], [[0, 3], [1, 8]], [[0, 3], [2, 1]]],
    "land": [[[1, 5], [1, 6]], [[1, 5], [1, 6]], [[1, 5], [1, 6]]],
    "fact_code": [[[1, 5]], [[1, 4]], []],
}


def measured(mean: float, interval: float | None = 0.01) -> dict[str, Any]:
    return {"mean": mean, "interval": interval, "seeds": [mean, mean]}


def answered(mean: float) -> dict[str, Any]:
    return {"same": measured(1.1 * mean), "related": measured(mean), "unrelated": measured(0.1 * mean)}


def identified(place: int) -> dict[str, Any]:
    return {
        "n_s": measured(11.26 + place, 0.34),
        "n_u": measured(40.0 + place),
        "n_so": measured(3.0 + place),
        "r_so": measured(0.2512 + 0.1 * place, 0.0123),
        "n_uo": measured(11.0),
        "r_uo": measured(0.5),
        "empty": measured(0.0, 0.0),
        "cross_same_relation": measured(0.1444),
        "cross_same_object": None,
        "cross_different_relation": measured(0.01),
        "heldout_phrasings": measured(0.2),
    }


@pytest.fixture
def result() -> dict[str, Any]:
    """Everything measured, but overlaps of facts with one object; two seeds."""
    places = dict(enumerate(METHODS))
    curves = {
        name: [
            {"lambda": at, **answered(0.1 * at), "kept": measured(1 - 0.02 * (1 + place) * at)} for at in (0.5, 1, 2, 4)
        ]
        for place, name in places.items()
    }
    edited = {"neurons": measured(12.0), "kept": measured(0.953), "kept_same_object": None}
    return {
        "command": "errata reproduce land pocket-gelu",
        "model": "pocket-gelu",
        "versions": {"errata": "0.1.0", "torch": "2.9.0"},
        "seeds": [0, 1],
        "facts": 120,
        "phrasings": 10,
        "settings": {"threshold": 0.3, "steps": 20, "lambda": 2.0, "sizes": [8, 16]},
        "seconds": {"identify": 81.25, "train": 4, "measure": 30.0},
        "methods": METHODS,
        "protocol": {"counterfactual": 113, "answer": 7},
        "identification": {name: identified(place) for place, name in places.items()},
        "figure1": {
            "edges": [0, 0.25, 0.5, 0.75, 1],
            "methods": {
                name: {"r_so": [5, 3, 1, 0], "r_uo": [1, 2, 3, 4], "mean_r_so": 0.2, "mean_r_uo": 0.6} for name in SETS
            },
        },
        "example": {
            "subject": "Ada",
            "object": "Rome",
            "relation": "birthplace",
            "prompts": ["Ada was born in", "Ada | comes from", "The birthplace of Ada is"],
            "n_layers": 3,
            "d_ff": 10,
            "neurons": SETS,
        },
        "amplification": {name: answered(2.345 + place) for place, name in places.items()},
        "suppression": {name: answered(-0.456) for name in METHODS},
        "before": answered(0.0707),
        "editing": {name: edited | answered(0.3111) for name in METHODS},
        "curve": curves,
        "equal_damage": {
            name: {"lambda": measured(1.75), "related": measured(0.175), "unrelated": None} for name in METHODS
        },
        "differences": [{"name": "land − knowledge_neurons, Related, as printed", "value": measured(-0.1083, 0.012)}],
        "sweep": {
            "seed": 0,
            "rows": [
                {"method": "land", "change": {}, "neurons": 14.4, "r_so": 0.48, "cross_same_relation": 0.38},
                {"method": "fact_code", "change": {"recall": False}, "neurons": 20.0, "r_so": 0.786, "kept": 0.902},
            ],
        },
        "layers": [measured(0.1), measured(1.0)],
        "targets": [
            {"name": "R_so of LAND", "value": 0.9512, "wanted": "≥ 0.96", "reached": False},
            {"name": "R_cross of the fact code", "value": 0.144, "wanted": "≤ 0.3", "reached": True},
        ],
    }


def without_intervals(found: Any) -> Any:
    """The same result of one seed."""
    if isinstance(found, dict):
        return {key: None if key == "interval" else without_intervals(value) for key, value in found.items()}
    return [without_intervals(value) for value in found] if isinstance(found, list) else found


@pytest.fixture
def bare(result: dict[str, Any]) -> dict[str, Any]:
    """One seed, methods missing in some tables, whole tables and single values not measured."""
    found: dict[str, Any] = without_intervals(result)
    found["seeds"] = [0]
    del found["identification"]["kn_refined"], found["editing"]["fact_code"], found["before"], found["suppression"]
    found["identification"]["land"]["cross_same_relation"] = None
    found["editing"]["land"]["kept"] = None
    found["curve"] = {"land": [{"lambda": 1.0, "same": None, "related": None, "unrelated": None, "kept": None}]}
    found["example"]["neurons"] = {"land": SETS["land"]}
    del found["sweep"], found["layers"]
    found["equal_damage"], found["differences"], found["targets"], found["figure1"] = {}, [], [], None
    return found

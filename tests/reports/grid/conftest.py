"""Results of `errata grid` with made-up numbers: two localizers, an editor that learns and one that does not."""

from typing import Any

import pytest

SCORES = ("efficacy", "generalization", "specificity", "mean")


ASKED = {"facts": 93, "digests": ["a"], "paraphrases": [2, 2], "heldout": True}


def measured(mean: float, half: float = 0.05) -> dict[str, Any]:
    return {"mean": mean, "interval": [mean - half, mean + half], "n": 100}


def cell(localizer: str, editor: str, random: bool, mean: float, view: str = "own") -> dict[str, Any]:
    return {
        "localizer": localizer,
        "random": random,
        "editor": editor,
        "view": view,
        "seeds": [0],
        **{name: measured(mean) for name in SCORES},
        "edits": 100,
        "failed": 0,
        "empty": 0,
        "neurons": 20.0,
        "norm": 1.5,
        "seconds": 0.5,
        "attribution_seconds": 0.25,
    }


def contrast(kind: str, localizer: str, editor: str, **means: float) -> dict[str, Any]:
    """A difference with half-width 0.05; what is not given is 0."""
    names = (*SCORES, "norm")
    return {
        "kind": kind,
        "localizer": localizer,
        "against": localizer if kind == "control" else "knowledge_neurons",
        "editor": editor,
        "view": "own",
        **{name: measured(means.get(name, 0.0)) for name in names},
    }


@pytest.fixture
def result() -> dict[str, Any]:
    """LAND helps the editor that does not learn and not the one that learns; random neurons keep more neighbours."""
    means = {("land", "fine"): 0.8, ("land", "neuron_values-norm"): 0.4}
    means |= {("knowledge_neurons", "fine"): 0.7, ("knowledge_neurons", "neuron_values-norm"): 0.6}
    return {
        "command": "errata grid",
        "model": "pocket-gelu",
        "data": {"name": "pocket-gelu", "drawn": "facts of the test", **ASKED},
        "versions": {"torch": "2"},
        "seeds": [0],
        "settings": {"views": ["own", "matched"], "facts": 100, "count": 20},
        "localizers": {
            "knowledge_neurons": {"name": "knowledge_neurons", "threshold": 0.3},
            "land": {"name": "land", "threshold": 1.22, "input_threshold": 0.3},
        },
        "once": [],
        "editors": {
            "neuron_values-norm": {"name": "neuron_values", "scale": "norm"},
            "fine": {"name": "fine", "steps": 50},
        },
        "units": {
            "planned": 4,
            "measured": 3,
            "missing": ["land × fine, matched, seed 0"],
            "failed": [{"unit": "land × fine, own, seed 0, chosen", "edits": 2, "error": "The optimisation diverged"}],
        },
        "cells": [
            cell(localizer, editor, random, 0.3 if random else mean)
            for (localizer, editor), mean in means.items()
            for random in (False, True)
        ],
        "contrasts": [
            contrast("control", "land", "fine", mean=0.04, specificity=-0.2, norm=-3.0),
            contrast("control", "knowledge_neurons", "fine", mean=-0.1, generalization=0.1, norm=-0.02),
            contrast("control", "land", "neuron_values-norm", mean=0.3, efficacy=0.4),
            contrast("completion", "land", "fine", mean=0.04),
            contrast("completion", "land", "neuron_values-norm", mean=0.06),
        ],
        "seconds": 12.0,
    }

"""An attribution for the page: the strongest neuron of every cell, and the tokens that the best neurons promote."""

from __future__ import annotations

from typing import Any

import torch

from errata.errors import InputError
from errata.model.steering import promoted
from errata.model.view import ModelView
from errata.neurons import Attribution, Neuron
from errata.reports.tables import strongest

CELLS = 128  # a layer
LISTED = 24  # neurons whose tokens are told at once; of the others when asked


def heat_map(view: ModelView, found: Attribution) -> dict[str, Any]:
    """Layers from the first to the last; a cell is `[neuron, score]`, the strongest of a run of neighbours.

    Negative scores count as 0, as they do in the terminal's strip.
    """
    cells = min(CELLS, found.scores.shape[1])
    values, places = torch.nn.functional.adaptive_max_pool1d(
        found.scores.clamp_min(0)[None], cells, return_indices=True
    )
    return {
        "answer": found.answer,
        "method": found.method,
        "objective": found.objective,
        "gap": found.gap,
        "d_ff": found.scores.shape[1],
        "highest": float(found.scores.max()),
        "chosen": len(found.neurons),
        "neurons": [_neuron(view, at, score, at in found.neurons) for at, score in strongest(found.scores, LISTED)],
        "layers": [
            {"layer": layer, "sum": float(found.scores[layer].double().sum()), "cells": _cells(at, row)}
            for layer, (at, row) in enumerate(zip(places[0].tolist(), values[0].tolist(), strict=True))
        ],
    }


def _cells(neurons: list[int], scores: list[float]) -> list[tuple[int, float]]:
    return [(neuron, float(f"{score:.7g}")) for neuron, score in zip(neurons, scores, strict=True)]


def _neuron(view: ModelView, at: Neuron, score: float, chosen: bool) -> dict[str, Any]:
    layer, index = at
    try:
        tokens = [token for token, _ in promoted(view, at)]
    except InputError:  # an output embedding of another width: a neuron's tokens cannot be told
        tokens = []
    return {"layer": layer, "index": index, "score": score, "chosen": chosen, "tokens": tokens}

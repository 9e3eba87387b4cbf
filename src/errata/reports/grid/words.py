"""The words of the page that shows results of `errata grid`: titles, how to read a table, methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOCALIZERS = {
    "knowledge_neurons": "knowledge neurons",
    "land": "LAND",
    "kn_refined": "KN-refined",
    "fact_code": "fact code",
    "ensemble": "KNE's ensemble",
    "gradient_activation": "gradient × activation",
    "activation": "activation",
    "value_vectors": "value vectors",
    "causal_trace": "causal trace",
    "all_in_layers": "all neurons of the layers",
}
EDITORS = {
    "neuron_values-printed": "neuron values (printed)",
    "neuron_values-norm": "neuron values (norm)",
    "ensemble-paper": "KNE (paper)",
    "ensemble-robust": "KNE (robust)",
    "fine": "FiNE",
}
OWN = "own"
VIEWS = {OWN: "each localizer's own choice", "matched": "equal number"}
# The one localizer that is given more than the edit prompt.
ADVANTAGED = "kn_refined"
READING = {
    "grid": (
        "The mean of the scores measured, over facts. Of all three, an edit that does nothing has a third: "
        "nothing learnt, every neighbour kept. ▲ and ▼ mark cells whose difference to their own random control, fact "
        "by fact, lies above or below 0 with its whole interval."
    ),
    "control": (
        "A localizer's neurons less random ones, as many and in the same layers, with the same editor: points of the "
        "mean of the scores, with the 95 % interval. **Bold** where the interval holds no 0. It answers whether "
        "it matters *which* neurons are edited."
    ),
    "completion": (
        "LAND's neurons less the knowledge neurons that LAND completes, in points. In the first view LAND edits "
        "another number of neurons as well; in the second the number is the same."
    ),
    "whole": (
        "A localizer's neurons less all neurons of the layers that the fact's knowledge neurons lie in, whatever "
        "layers its own lie in: points of the mean of the scores. Above 0, it helps to choose."
    ),
    "cells": (
        "Every cell over all facts and seeds. `find` and `edit` are medians of seconds: of the attribution, which all "
        "editors share, and of the edit. ‖ΔW‖ is the Frobenius norm over all layers. Neurons and costs are of the "
        "facts that could be edited through chosen neurons and through random ones; scores are of all."
    ),
}
TITLES = {
    "control": "Chosen neurons against random ones",
    "completion": "LAND against knowledge neurons",
    "whole": "Chosen neurons against whole layers",
    "cells": "Every cell",
}


def advantage(result: Mapping[str, Any]) -> str:
    """What `kn_refined` is given and no other localizer is."""
    scored = "none that are scored" if result["data"].get("heldout") else "those that are scored among them"
    return f"{LOCALIZERS[ADVANTAGED]} is given all of a fact's phrasings at once, {scored}; the others the edit prompt"


def localizer(name: str, random: bool = False) -> str:
    """The name a reader sees; `random, as LAND` for a control."""
    shown = LOCALIZERS.get(name, name)
    return f"random, as {shown}" if random else shown


def editor(name: str) -> str:
    """The name a reader sees."""
    return EDITORS.get(name, name)

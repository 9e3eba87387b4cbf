"""What a ledger's log says of its health: how far the weights moved after every event, and the checkups it keeps.

relative_l    ‖Σ ΔW_i‖_F / ‖W₀‖_F of layer l before rounding, i over the edits applied after an event
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from errata.errors import UNREADABLE
from errata.ledger import Event, Ledger
from errata.ledger.records import CHECKUPS
from errata.model.view import ModelView
from errata.strict import json_of, lines_of

SIGNS = {"apply": 1.0, "redo": 1.0, "undo": -1.0, "supersede": -1.0}
SCORES = ("efficacy", "generalization", "specificity")


@dataclass(frozen=True, slots=True)
class Course:
    """The log's events, and after each the relative size of every layer that any edit touches."""

    events: tuple[Event, ...]
    relative: Mapping[int, tuple[float, ...]]


@torch.no_grad()
def course(view: ModelView, ledger: Ledger) -> Course:
    """The course of a ledger's weights; sums are kept in float64, so that taking an edit out leaves nothing of it.

    Raises CorruptionError for a damaged file.
    """
    totals: dict[int, Tensor] = {}
    scales: dict[int, float] = {}
    rows: list[dict[int, float]] = []
    for event in ledger.events():
        row = dict(rows[-1]) if rows else {}
        edit = ledger.edit(event.edit)
        for delta in edit.deltas:
            if delta.layer not in totals:
                base = view.base_weight(delta.layer)
                totals[delta.layer] = torch.zeros(base.shape, dtype=torch.float64)
                scales[delta.layer] = float(torch.linalg.vector_norm(base, dtype=torch.float64))
            totals[delta.layer] += SIGNS[event.kind] * delta.dense()
        for layer in {delta.layer for delta in edit.deltas}:
            row[layer] = float(torch.linalg.vector_norm(totals[layer])) / max(scales[layer], 1e-30)
        rows.append(row)
    return Course(ledger.events(), {layer: tuple(row.get(layer, 0.0) for row in rows) for layer in sorted(totals)})


def checkups(directory: Path, applied: Sequence[int]) -> tuple[Mapping[str, Any], ...]:
    """The checkups that sequences left in a ledger's directory, of edits still applied, by the id of their last edit.

    A row holds `edit`, `edited`, the scores of all edits so far, `known` and `perplexity`; a line cut short is none.
    """
    path = directory / CHECKUPS
    found: dict[int, Mapping[str, Any]] = {}
    for line in lines_of(path):
        try:
            row = cast(Mapping[str, Any], json_of(line))
            if row["edit"] in applied:
                scores = {name: _short(row["all"].get(name)) for name in SCORES}
                known = {"known": _short(row["known"]), "perplexity": _number(row["perplexity"])}
                found[int(row["edit"])] = {"edit": int(row["edit"]), "edited": int(row["edited"]), **scores, **known}
        except UNREADABLE:
            continue
    return tuple(found[number] for number in sorted(found))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _short(score: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if score is None:
        return None
    low, high = map(float, score["interval"])
    return {"mean": float(score["mean"]), "interval": [low, high], "n": int(score["n"])}

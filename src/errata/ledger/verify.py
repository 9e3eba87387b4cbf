"""Checking a ledger: every file, the database, and the model's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from errata.deltas import Edit
from errata.errors import LedgerError
from errata.ledger.blocks import Ids, RunningSum
from errata.ledger.fold import same_bits
from errata.ledger.records import Entry, Event, listed
from errata.ledger.store import Store
from errata.model.rounding import rounded
from errata.model.view import ModelView

MEMORY = 2**30  # bytes that the sums of the layers checked together may take


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: one sentence a problem, the ids of the edits with one, how many edits were looked at.

    `weights_sha256` is the hash over every parameter of the model as it now is.
    """

    problems: tuple[str, ...]
    edits: tuple[int, ...]
    checked: int
    weights_sha256: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def files(store: Store, view: ModelView) -> Report:
    """Check the database and every edit's file, but not the model's present weights."""
    return _report(store, view, weights=False)


def everything(store: Store, view: ModelView) -> Report:
    """Check the database, every edit's file, and that the model's weights are the sum of the applied edits."""
    return _report(store, view, weights=True)


def _report(store: Store, view: ModelView, weights: bool) -> Report:
    problems: list[str] = []
    damaged: set[int] = set()
    try:
        problems += [f"The database of the ledger at {store.path} is damaged: {line}." for line in store.integrity()]
        store.forget()
        with store.moment():
            entries, events = store.entries(), store.events()
    except LedgerError as error:
        return Report((*problems, str(error)), (), 0, view.weights_sha256())
    bases = [view.layer_fingerprint(layer) for layer in range(view.n_layers)]
    for entry in entries:
        found = _problems_of(entry, store, bases)
        problems += found
        if found:
            damaged.add(entry.id)
    for entry in _contradicting(entries, events):
        problems.append(
            f"Edit {entry.id} is recorded as {'applied' if entry.applied else 'undone'}, the events say otherwise."
        )
        damaged.add(entry.id)
    if weights:
        problems += _weight_problems(store, view, damaged)
    return Report(tuple(problems), tuple(sorted(damaged)), len(entries), view.weights_sha256())


def _problems_of(entry: Entry, store: Store, bases: list[str]) -> list[str]:
    try:
        edit = store.load(entry)
    except LedgerError as error:
        return [str(error)]
    found: list[str] = []
    if not _describes(entry, edit):
        found.append(f"Edit {entry.id} is recorded otherwise than its file {entry.file} says.")
    for delta in edit.deltas:
        if not 0 <= delta.layer < len(bases) or delta.base != bases[delta.layer]:
            found.append(f"Edit {entry.id} was made for other weights of {delta.module} than this model's.")
    return found


def _describes(entry: Entry, edit: Edit) -> bool:
    layers, ranks = tuple(d.layer for d in edit.deltas), tuple(d.rank for d in edit.deltas)
    return (entry.method, entry.facts, entry.layers, entry.ranks) == (edit.method, edit.facts, layers, ranks)


def _contradicting(entries: tuple[Entry, ...], events: tuple[Event, ...]) -> list[Entry]:
    """The entries whose state is not the one their last event led to."""
    last = {event.edit: event.kind in {"apply", "redo"} for event in events}
    return [entry for entry in entries if last.get(entry.id) != entry.applied]


def _weight_problems(store: Store, view: ModelView, damaged: set[int]) -> list[str]:
    """Layers whose weights are not a fresh sum of their applied edits; layers with a damaged edit cannot be told."""
    wanted = store.index().layers()
    sound = [layer for layer in range(view.n_layers) if damaged.isdisjoint(wanted.get(layer, ()))]
    found: list[str] = []
    at_once = max(1, MEMORY // max(8 * view.weight(layer).numel() for layer in range(view.n_layers)))
    for start in range(0, len(sound), at_once):
        asked = {layer: wanted.get(layer, ()) for layer in sound[start : start + at_once]}
        for layer, total in _fresh(store, view, asked).items():
            weight = rounded(view.base_weight(layer).cpu(), total)
            if not same_bits(weight, view.weight(layer).cpu()):
                edits = f"unedited ones and edits {listed(asked[layer])}" if asked[layer] else "unedited ones"
                found.append(
                    f"The weights of layer {layer} are not the sum of the {edits}: something else wrote to the model, "
                    "or another process changed the ledger; refresh() writes them anew."
                )
    return found


def _fresh(store: Store, view: ModelView, wanted: Mapping[int, Ids]) -> dict[int, Tensor]:
    """The sums of the edits wanted for these layers, from the deltas alone; each edit is read once."""
    sums = {layer: RunningSum(torch.zeros(view.weight(layer).shape)) for layer in wanted}
    for number in sorted(set[int]().union(*wanted.values())):
        edit = store.load(store.entry(number))
        for layer in {delta.layer for delta in edit.deltas} & set(wanted):
            sums[layer].add(number, (delta for delta in edit.deltas if delta.layer == layer))
    return {layer: running.total for layer, running in sums.items()}

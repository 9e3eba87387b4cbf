"""Checking a ledger: every file, the database, and the model's weights."""

from __future__ import annotations

from dataclasses import dataclass

from errata.deltas import Edit
from errata.errors import LedgerError
from errata.ledger.fold import layers_of, same_bits
from errata.ledger.records import Entry, Event
from errata.ledger.store import Store
from errata.model.view import ModelView, fold


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
        problems += _weight_problems(store, view, entries, damaged)
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


def _weight_problems(store: Store, view: ModelView, entries: tuple[Entry, ...], damaged: set[int]) -> list[str]:
    """Layers whose weights are not a fresh sum of their applied edits; layers with a damaged edit cannot be told."""
    found: list[str] = []
    wanted = layers_of(entries)
    by_id = {entry.id: entry for entry in entries}
    for layer in range(view.n_layers):
        ids = wanted.get(layer, ())
        if damaged.isdisjoint(ids):
            deltas = (d for number in ids for d in store.load(by_id[number]).deltas if d.layer == layer)
            if not same_bits(fold(view.base_weight(layer).cpu(), deltas), view.weight(layer).cpu()):
                edits = f"unedited ones and edits {', '.join(map(str, ids))}" if ids else "unedited ones"
                found.append(
                    f"The weights of layer {layer} are not the sum of the {edits}: something else wrote to the model, "
                    "or another process changed the ledger; refresh() writes them anew."
                )
    return found

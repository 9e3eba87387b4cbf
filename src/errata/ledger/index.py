"""What a ledger holds, in memory: its edits by id, and the applied ones by layer and by what they are about."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import final

from errata.facts import Fact
from errata.ledger.blocks import Ids
from errata.ledger.records import Entry


@final
class Index:
    """Entries and where to find them; `put` takes up one that is new or has changed."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: dict[int, Entry] = {}
        self._applied: list[int] = []
        self._by_layer: dict[int, list[int]] = {}
        self._by_key: dict[tuple[str, str], set[int]] = {}
        for entry in entries:
            self.put(entry)

    def put(self, entry: Entry) -> None:
        """Take up an entry in place of the one of its id, if there is one."""
        known = self._entries.get(entry.id)
        if known is not None and known.applied:
            for ids in self._lists(known):
                del ids[bisect_left(ids, known.id)]
            for fact in known.facts:
                self._by_key[fact.key].discard(known.id)
        self._entries[entry.id] = entry
        if entry.applied:
            for ids in self._lists(entry):
                insort(ids, entry.id)
            for fact in entry.facts:
                self._by_key.setdefault(fact.key, set()).add(entry.id)

    def get(self, number: int) -> Entry | None:
        """The entry of an id."""
        return self._entries.get(number)

    def entries(self) -> tuple[Entry, ...]:
        """Every edit, in the order of ids."""
        return tuple(self._entries[number] for number in sorted(self._entries))

    def applied(self) -> Ids:
        """Ids of the applied edits, in order."""
        return tuple(self._applied)

    def layers(self) -> dict[int, Ids]:
        """For every layer that applied edits touch, those edits' ids in order."""
        return {layer: tuple(ids) for layer, ids in self._by_layer.items() if ids}

    def rivals(self, facts: Sequence[Fact]) -> tuple[Entry, ...]:
        """The applied entries that are about one of these facts, in order."""
        found = set[int]().union(*(self._by_key.get(fact.key, ()) for fact in facts))
        return tuple(self._entries[number] for number in sorted(found))

    def _lists(self, entry: Entry) -> list[list[int]]:
        """Every list an applied entry stands in."""
        return [self._applied, *(self._by_layer.setdefault(layer, []) for layer in set(entry.layers))]

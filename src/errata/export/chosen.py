"""Which edits of a ledger are exported: all that are applied, or some of them."""

from __future__ import annotations

from collections.abc import Iterable

from errata.errors import InputError
from errata.ledger import Entry, Ledger
from errata.ledger.records import listed


def chosen(ledger: Ledger, edits: Iterable[int] | None = None) -> tuple[Entry, ...]:
    """The applied edits, or those of these ids, in order.

    Raises InputError where none is applied, or one of the ids is no applied edit's.
    """
    applied = {entry.id: entry for entry in ledger.entries() if entry.applied}
    if not applied:
        raise InputError("The ledger has no applied edit: there is nothing to export.")
    if edits is None:
        return tuple(applied.values())
    wanted = sorted(set(edits))
    if not wanted:
        raise InputError("No edit is chosen: give the numbers of some, or leave the choice out for all.")
    for number in wanted:
        if number not in applied:
            raise InputError(
                f"Edit {number} is not applied; applied are {listed(tuple(applied))}: redo it, or leave it out."
            )
    return tuple(applied[number] for number in wanted)

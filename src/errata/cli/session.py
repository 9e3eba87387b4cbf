"""Open what a command works on: the model, and the ledger that corrects it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from errata.desk.opening import open_view, stored, view_for
from errata.errors import InputError
from errata.ledger import Ledger
from errata.ledger.records import Entry, Event, Meta
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class Pages:
    """What a ledger says about itself without its model."""

    meta: Meta
    entries: tuple[Entry, ...]
    events: tuple[Event, ...]


def pages(directory: Path) -> Pages:
    """Read a ledger without loading its model."""
    with stored(directory) as store:
        return Pages(store.meta(), store.entries(), store.events())


@contextmanager
def opened(
    directory: Path, model: str | None = None, dtype: str | None = None, device: str = "cpu"
) -> Generator[tuple[ModelView, Ledger]]:
    """A ledger that exists and its model, corrected; model and dtype are the ledger's own unless given."""
    view = view_for(directory, model, dtype, device)
    with Ledger.open(directory, view, create=False) as ledger:
        yield view, ledger


@contextmanager
def consulted(model: str, ledger: Path | None, dtype: str | None, device: str) -> Generator[ModelView]:
    """A model to look into, as a ledger corrects it if one is given."""
    if ledger is None:
        yield open_view(model, dtype, device)
    else:
        with opened(ledger, model, dtype, device) as (view, _):
            yield view


def edit_number(word: str) -> int:
    """The id of an edit as typed; raises InputError for anything but a whole number."""
    if not word.isdecimal():
        raise InputError(f"{word!r} is not the number of an edit: errata log lists them.")
    return int(word)


def model_and_numbers(words: list[str]) -> tuple[str | None, list[int]]:
    """Split `[MODEL] NUMBER…`: the first word is the model if it is not a number."""
    model = words[0] if words and not words[0].isdecimal() else None
    return model, [edit_number(word) for word in words[model is not None :]]

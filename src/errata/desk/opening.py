"""Open what a correction needs: a model, and the ledger that corrects it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from errata.errors import LedgerError
from errata.ledger import database
from errata.ledger.store import Store
from errata.model.load import load
from errata.model.view import ModelView


def open_view(model: str, dtype: str | None = None, device: str = "cpu") -> ModelView:
    """Load a model; a local folder is known by its full path, so that a ledger finds it from anywhere."""
    name = str(Path(model).resolve()) if not model.startswith("pocket-") and Path(model).is_dir() else model
    return load(name, dtype=dtype, device=device)


def has_ledger(directory: Path) -> bool:
    """Whether a directory holds a ledger."""
    return database.is_at(directory)


@contextmanager
def taken_back(directory: Path) -> Generator[None]:
    """Take the ledger that is made inside the block back, with every directory made for it, if the block fails.

    It stays if another process has written an edit to it meanwhile.
    """
    made = [path for path in (directory / "deltas", directory, *directory.absolute().parents) if not path.exists()]
    try:
        yield
    except BaseException:
        with suppress(LedgerError):  # there is none, or it is in use
            database.discard(directory)
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


@contextmanager
def stored(directory: Path) -> Generator[Store]:
    """A ledger that exists, without its model; raises LedgerError where there is none."""
    store = Store.open(directory, None)
    try:
        yield store
    finally:
        store.close()


def view_for(directory: Path, model: str | None, dtype: str | None, device: str) -> ModelView:
    """The model of a ledger that exists, not corrected yet."""
    with stored(directory) as store:
        meta = store.meta()
    return open_view(model or meta.model, dtype or meta.dtype, device)

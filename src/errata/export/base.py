"""The unedited model that an export belongs to: its name, revision and licence, and which weights it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, try_to_load_from_cache

from errata.ledger.refusals import dtype_of
from errata.model.load import pocket
from errata.model.view import ModelView

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
POCKET = "pocket-"


@dataclass(frozen=True, slots=True)
class Base:
    """A base model: a hub id, an embedded model's name or a folder; `fingerprint` is over its value projections."""

    name: str
    revision: str | None
    licence: str | None
    dtype: str
    fingerprint: str

    @property
    def on_hub(self) -> bool:
        """Whether the name is one that others find on the hub."""
        return HUB_ID.fullmatch(self.name) is not None and not self.embedded

    @property
    def embedded(self) -> bool:
        """Whether it is one of the models that come with Errata."""
        return self.name.startswith(POCKET)


def base_of(view: ModelView, name: str | None = None, revision: str | None = None, licence: str | None = None) -> Base:
    """A view's base model; what is given replaces what is found: a folder may be a copy of a model on the hub."""
    found = name or view.name
    folder = Path(found).expanduser()
    if folder.is_dir():
        found = str(folder.resolve())
    commit: Any = getattr(view.model.config, "_commit_hash", None) if name in (None, view.name) else None
    at = revision or (commit if isinstance(commit, str) else None)
    return Base(found, at, licence or _licence(found, at), dtype_of(view), view.model_fingerprint())


def _licence(name: str, revision: str | None) -> str | None:
    """The licence that the model's own card names, where the card is on this machine."""
    if name.startswith(POCKET):
        card = pocket(name.removeprefix(POCKET)) / "README.md"
    elif Path(name).is_dir():
        card = Path(name) / "README.md"
    elif HUB_ID.fullmatch(name):
        cached = try_to_load_from_cache(name, "README.md", revision=revision)
        card = Path(cached) if isinstance(cached, str) else None
    else:
        card = None
    if card is None or not card.is_file():
        return None
    try:
        found = ModelCard.load(card, ignore_metadata_errors=True).data.to_dict().get("license")
    except Exception:  # a card is anybody's text, and the reader of its YAML has errors of its own
        return None
    return found if isinstance(found, str) else None

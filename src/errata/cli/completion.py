"""What the shell offers behind a word that is begun: models and methods by name, without loading anything."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from errata import registry


def models(begun: str) -> list[str]:
    """The embedded models, and folders that hold a model."""
    embedded = [f"pocket-{folder.name}" for folder in files("errata.model.pocket").iterdir() if folder.is_dir()]
    around = Path(begun).parent.glob("*/config.json")
    return _offered([*embedded, *(str(path.parent) for path in around)], begun)


def editors(begun: str) -> list[str]:
    """Every editor."""
    return _offered(registry.names("errata.editors"), begun)


def localizers(begun: str) -> list[str]:
    """Every localizer."""
    return _offered(registry.names("errata.localizers"), begun)


def _offered(names: list[str], begun: str) -> list[str]:
    return [name for name in sorted(names) if name.startswith(begun) and "__" not in name]

"""Errata: corrections for language models."""

from typing import Any

# Where each public name stands; __init__.pyi says the same to type checkers.
PLACES = {
    "Attribution": "errata.neurons",
    "Case": "errata.facts",
    "Edit": "errata.deltas",
    "Editor": "errata.methods",
    "ErrataError": "errata.errors",
    "Fact": "errata.facts",
    "Ledger": "errata.ledger",
    "Localizer": "errata.methods",
    "ModelView": "errata.model.view",
    "NeuronSet": "errata.neurons",
    "Probe": "errata.facts",
    "WeightDelta": "errata.deltas",
    "editor": "errata.methods",
    "load": "errata.model.load",
    "localizer": "errata.methods",
    "pocket": "errata.model.load",
}

__all__ = list(PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: help and completion come without PyTorch."""
    if name not in PLACES:
        raise AttributeError(f"module 'errata' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(PLACES)

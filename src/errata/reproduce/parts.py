"""What a result says of its parts: how many were measured, which are missing, which facts could not be edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, runtime_checkable

from errata.reproduce.units import Named, Unit


@runtime_checkable
class Part(Protocol):
    """A unit and its file's content; None where it was not measured yet."""

    @property
    def unit(self) -> Named:
        """What was to be measured."""
        ...

    @property
    def found(self) -> dict[str, Any] | None:
        """What was measured."""
        ...


@dataclass(frozen=True)
class Done(Generic[Unit]):
    """A unit and its file's content; None where it was not measured yet."""

    unit: Unit
    found: dict[str, Any] | None


def counted(parts: Sequence[Part]) -> dict[str, Any]:
    """How many parts there are and how many were measured, with the names of the others."""
    return {
        "planned": len(parts),
        "measured": sum(part.found is not None for part in parts),
        "missing": [part.unit.name for part in parts if part.found is None],
    }


def failures(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The measured parts with facts that could not be edited: how many, and the first error."""
    return [
        {"unit": part.unit.name, "facts": part.found["failed"], "error": part.found["error"]}
        for part in parts
        if part.found is not None and part.found["failed"]
    ]


def seconds_of(parts: Sequence[Part]) -> float:
    """The seconds of all measured parts together."""
    return round(sum((part.found["seconds"] for part in parts if part.found is not None), start=0.0), 1)

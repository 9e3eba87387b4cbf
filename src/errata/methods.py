"""What every localizer and every editor is: a frozen dataclass of hyperparameters with one verb."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast, final

import torch

from errata import registry
from errata.deltas import Edit, WeightDelta
from errata.errors import EditError, InputError
from errata.facts import Fact
from errata.model.hooks import count_hooks
from errata.model.view import ModelView
from errata.neurons import Attribution


@dataclass(frozen=True)
class Localizer(ABC):
    """Finds the neurons that carry a fact."""

    @property
    def name(self) -> str:
        """The method's name: its file's name."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def attribute(self, view: ModelView, facts: Sequence[Fact]) -> list[Attribution]:
        """Score every neuron for every fact; the model is left as it was."""


@dataclass(frozen=True)
class Editor(ABC):
    """Computes an edit that makes facts true; the model itself is not changed."""

    @property
    def name(self) -> str:
        """The method's name: its file's name."""
        return type(self).__module__.rpartition(".")[2]

    @final
    def edit(self, view: ModelView, facts: Sequence[Fact]) -> Edit:
        """Compute the edit for these facts, with its provenance.

        Raises InputError for no facts or a fact without target, UnsupportedModelError for a model whose weights cannot
        be edited, EditError when the method fails or when it leaves a
        weight or a hook of the model changed.
        """
        if not facts:
            raise InputError("There are no facts to edit: give at least one.")
        view.require_editable()
        before = _census(view)
        deltas, measured = self._edit(view, facts)
        if _census(view) != before:
            raise EditError(f"The editor {self.name} left the model changed: an editor must only compute an edit.")
        return Edit(
            deltas=tuple(deltas),
            method=self.name,
            facts=tuple(facts),
            settings=settings_of(self),
            measured=measured,
            versions=versions(),
        )

    @abstractmethod
    def _edit(self, view: ModelView, facts: Sequence[Fact]) -> tuple[list[WeightDelta], dict[str, Any]]:
        """The deltas, and what was measured on the way."""


def require_targets(facts: Sequence[Fact]) -> list[str]:
    """The facts' targets; raises InputError for a fact that has none."""
    targets = []
    for fact in facts:
        if fact.target is None:
            raise InputError(f"The fact about {fact.subject!r} has no target: say what the answer should become.")
        targets.append(fact.target)
    return targets


def localizer(name: str, **settings: object) -> Localizer:
    """A localizer by name, for example `localizer("knowledge_neurons", steps=20)`."""
    return cast(Localizer, registry.create("errata.localizers", name, **settings))


def editor(name: str, **settings: object) -> Editor:
    """An editor by name, for example `editor("rome")`."""
    return cast(Editor, registry.create("errata.editors", name, **settings))


def settings_of(method: Localizer | Editor) -> dict[str, Any]:
    """A method's hyperparameters as plain values; a method inside a method becomes its name and settings."""
    found: dict[str, Any] = {}
    for entry in fields(method):
        value = getattr(method, entry.name)
        if isinstance(value, Localizer | Editor):
            found[entry.name] = {"name": value.name, **settings_of(value)}
        else:
            found[entry.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return found


def versions() -> dict[str, str]:
    """The versions a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("errata-lm", "torch", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _census(view: ModelView) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Hooks and, for every parameter, the sum of its bits: equal while nothing has changed."""
    sums = []
    with torch.no_grad():
        for name, parameter in view.model.named_parameters():
            bits = parameter.detach().contiguous().view(torch.uint8)
            wide = bits.flatten()[: bits.numel() // 8 * 8].view(torch.int64)
            rest = bits.flatten()[bits.numel() // 8 * 8 :]
            sums.append((name, int(wide.sum()) + int(rest.sum())))
    return count_hooks(view.model), tuple(sums)

"""What every localizer and every editor is: a frozen dataclass of hyperparameters with one verb."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast, final

import torch
from torch import Tensor

from errata import registry
from errata.deltas import Edit, WeightDelta
from errata.errors import EditError, InputError, unknown
from errata.facts import Fact
from errata.history import History
from errata.model.hooks import count_hooks
from errata.model.rounding import require_finite
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


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """What an editor found: the deltas, what was measured on the way, and what later edits need to know of this one.

    `state` goes into the edit's file; a method reads it back from the history (see `errata.history`).
    """

    deltas: Sequence[WeightDelta]
    measured: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Editor(ABC):
    """Computes an edit that makes facts true; the model itself is not changed."""

    @property
    def name(self) -> str:
        """The method's name: its file's name."""
        return type(self).__module__.rpartition(".")[2]

    @final
    def edit(self, view: ModelView, facts: Sequence[Fact], history: History | None = None) -> Edit:
        """Compute the edit for these facts, with its provenance.

        `history` holds the edits that are in the view's weights, for methods that remember; none by default.
        Raises InputError for no facts or a fact without target, UnsupportedModelError for a model whose weights cannot
        be edited or are not finite, EditError when the method fails, when its edit makes a weight NaN or infinite, or
        when it leaves a weight or a hook of the model changed.
        """
        if not facts:
            raise InputError("There are no facts to edit: give at least one.")
        return self._provenance(view, tuple(facts), self._checked(view, facts, history or History()))

    @final
    def close(self, view: ModelView, history: History) -> Edit | None:
        """The edit that a method makes at the end of a sequence, once all of `history` is in the weights.

        It is about no fact of its own.
        None for methods that make none, and where there is nothing to do. Raises as `edit` does.
        """
        found = self._checked(view, None, history)
        if not found.deltas:
            return None
        return self._provenance(view, (), found)

    def _checked(self, view: ModelView, facts: Sequence[Fact] | None, history: History) -> Computed:
        view.require_editable()
        require_finite(view.model, view.name)
        before = _census(view)
        found = self._close(view, history) if facts is None else self._edit(view, facts, history)
        if _census(view) != before:
            raise EditError(f"The editor {self.name} left the model changed: an editor must only compute an edit.")
        for _ in view.changed(found.deltas):  # what overflows is refused here, and not where it is written
            pass
        return found

    def _provenance(self, view: ModelView, facts: tuple[Fact, ...], found: Computed) -> Edit:
        return Edit(
            deltas=tuple(found.deltas),
            method=self.name,
            facts=facts,
            settings=settings_of(self.settled(view)),
            measured=found.measured,
            versions=versions(),
            state=found.state,
        )

    def require_packages(self) -> None:
        """Raise MissingPackageError where an optional package is not installed that the method needs."""
        return

    def settled(self, view: ModelView) -> Editor:
        """The same method with the settings that it leaves to the model; itself where it leaves none."""
        return self

    @abstractmethod
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        """The deltas, what was measured on the way, and the state."""

    def _close(self, view: ModelView, history: History) -> Computed:
        """What is done once, at the end of a sequence; nothing by default."""
        return Computed(())


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


def editor_of(plain: Mapping[str, Any], seed: int | None = None) -> Editor:
    """The editor of plain values, as `{"name": NAME, **settings_of(editor)}` gives them; what is left out is default.

    A `seed` is that of every method named in them that has one and is given none.
    Raises InputError for a name or a setting there is not.
    """
    return cast(Editor, _method_of("errata.editors", plain, seed))


def _method_of(package: str, plain: Mapping[str, Any], seed: int | None) -> object:
    given = dict(plain)
    name = str(given.pop("name", ""))
    declared = registry.method_class(package, name).__dataclass_fields__
    settings = {key: _setting(declared[key], value, seed) if key in declared else value for key, value in given.items()}
    if seed is not None and "seed" in declared:
        settings.setdefault("seed", seed)
    return registry.create(package, name, **settings)


def _setting(entry: Field[Any], value: Any, seed: int | None) -> Any:
    """The value of a field from a plain one: a method inside a method, its parts, a tuple from a list."""
    if isinstance(value, list):
        return tuple(cast(list[Any], value))
    if not isinstance(value, Mapping):
        return value
    plain = cast(Mapping[str, Any], value)
    if "name" in plain:
        default = entry.default if entry.default_factory is MISSING else entry.default_factory()
        return _method_of("errata.localizers" if isinstance(default, Localizer) else "errata.editors", plain, seed)
    parts: type | None = entry.metadata.get("parts")
    if parts is None:
        raise InputError(f"The setting {entry.name} has no parts: give one value, found {dict(plain)!r}.")
    names = [part.name for part in fields(parts)]
    for name in plain:
        if name not in names:
            raise unknown("part", name, names, f" of the setting {entry.name}")
    return parts(**plain)


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

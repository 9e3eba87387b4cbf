"""Look methods up by name: a method's name is the name of its file."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from errata.errors import InputError


def names(package: str) -> list[str]:
    """Every method of a package (`errata.localizers`, `errata.editors`), sorted: its files without an underscore."""
    paths = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_"))


def method_class(package: str, name: str) -> type:
    """The class that the file `name` declares as its METHOD; raises InputError, with the nearest name, for no file."""
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        kind = package.rpartition(".")[2].removesuffix("s")
        raise InputError(f"There is no {kind} {name!r}. {hint}Choose one of {', '.join(known)}.")
    return importlib.import_module(f"{package}.{name}").METHOD


def create(package: str, name: str, **settings: object) -> object:
    """A method with these hyperparameters; raises InputError, with the fields, for one it does not have."""
    chosen = method_class(package, name)
    unknown = sorted(set(settings) - set(chosen.__dataclass_fields__))
    if unknown:
        fields = ", ".join(sorted(chosen.__dataclass_fields__)) or "none"
        raise InputError(f"{name} has no setting {unknown[0]!r}: its settings are {fields}.")
    return chosen(**settings)

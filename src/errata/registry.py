"""Look methods up by name: a method's name is the name of its file."""

from __future__ import annotations

import importlib
import pkgutil

from errata.errors import unknown


def names(package: str) -> list[str]:
    """Every method of a package (`errata.localizers`, `errata.editors`), sorted: its files without an underscore."""
    paths = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_"))


def method_class(package: str, name: str) -> type:
    """The class that the file `name` declares as its METHOD; raises InputError, with the nearest name, for no file."""
    known = names(package)
    if name not in known:
        raise unknown(package.rpartition(".")[2].removesuffix("s"), name, known)
    return importlib.import_module(f"{package}.{name}").METHOD


def create(package: str, name: str, **settings: object) -> object:
    """A method with these hyperparameters; raises InputError, with the fields, for one it does not have."""
    chosen = method_class(package, name)
    for setting in sorted(set(settings) - set(chosen.__dataclass_fields__)):
        raise unknown("setting", setting, sorted(chosen.__dataclass_fields__), f" of {name}")
    return chosen(**settings)

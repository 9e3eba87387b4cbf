"""Methods with settings from the command line: `--set steps=50`, `--set values.steps=50`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from errata import methods, registry
from errata.errors import InputError, unknown
from errata.methods import Editor, Localizer

if TYPE_CHECKING:
    from errata.sequences.health import Health
    from errata.training.recipe import FactCodeRecipe, LandRecipe


def make_editor(name: str, pairs: Sequence[str]) -> Editor:
    """An editor with settings `key=value`."""
    return methods.editor(name, **_settings("errata.editors", name, pairs))


def make_localizer(name: str, pairs: Sequence[str], **more: object) -> Localizer:
    """A localizer with settings `key=value`, and the ones in `more` that are not None."""
    given = {key: value for key, value in more.items() if value is not None}
    return methods.localizer(name, **_settings("errata.localizers", name, pairs), **given)


def make_recipe(kind: str, pairs: Sequence[str], **defaults: object) -> LandRecipe | FactCodeRecipe:
    """How a detector of a kind is trained: settings `key=value` in place of the defaults, its own and these."""
    from errata.training.recipe import FactCodeRecipe, LandRecipe

    recipe = LandRecipe if kind == "land" else FactCodeRecipe
    declared = {entry.name: entry for entry in fields(recipe)}
    return recipe(**cast(dict[str, Any], {**defaults, **_parsed(declared, kind, pairs)}))


def make_health(pairs: Sequence[str], off: bool) -> Health:
    """The thresholds of a sequence's alarm `key=value` in place of the defaults, or of none."""
    from errata.sequences.health import Health

    if off and pairs:
        raise InputError("--health sets the alarm and --no-alarm takes it away: give one of them.")
    declared = {entry.name: entry for entry in fields(Health)}
    return Health.off() if off else Health(**_parsed(declared, "the alarm", pairs))


def _settings(package: str, name: str, pairs: Sequence[str]) -> dict[str, Any]:
    return _parsed({entry.name: entry for entry in fields(registry.method_class(package, name))}, name, pairs)


def _parsed(declared: dict[str, Field[Any]], name: str, pairs: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        key, dot, inner = path.strip().partition(".")
        if not equals or not key:
            raise InputError(f"The setting {pair!r} has no value: write KEY=VALUE, for example steps=50.")
        entry = _known(declared, key, name)
        default = found.get(key, _default(entry))
        if dot:
            if default is None and "parts" in entry.metadata:
                default = entry.metadata["parts"]()
            if not is_dataclass(default) or isinstance(default, type):
                raise InputError(f"{name}'s setting {key!r} has no parts: write {key}=VALUE.")
            parts = {part.name: part for part in fields(default)}
            _known(parts, inner, key)
            found[key] = replace(default, **{inner: _value(path, text, getattr(default, inner))})
        else:
            found[key] = _value(path, text, _example(entry) if default is None else default)
    return found


def _known(declared: dict[str, Field[Any]], key: str, owner: str) -> Field[Any]:
    if key not in declared:
        raise unknown("setting", key, sorted(declared), f" of {owner}")
    return declared[key]


def _default(entry: Field[Any]) -> Any:
    if entry.default is not MISSING:
        return entry.default
    return None if entry.default_factory is MISSING else entry.default_factory()


def _example(entry: Field[Any]) -> Any:
    """A value of the kind that a setting without a default may have, by its annotation (`int | None`)."""
    examples = {"int": 0, "float": 0.0, "str": "", "bool": False}
    if str(entry.type).startswith("tuple["):
        return ()
    kinds = [kind for kind in str(entry.type).split(" | ") if kind in examples]
    return examples[kinds[0]] if len(kinds) == 1 else None


def _value(path: str, text: str, default: Any) -> Any:
    """The value as JSON, or as plain text; it must be of the default's kind."""
    if isinstance(default, Localizer):
        return methods.localizer(text)
    if isinstance(default, Editor):
        return methods.editor(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, list) and isinstance(default, tuple):
        return tuple(cast(list[Any], value))
    if isinstance(default, float) and (type(value) is int or value in ("inf", "Infinity")):
        return float(value)
    if default is not None and value is not None and type(value) is not type(default):
        kind = type(default).__name__
        raise InputError(f"The setting {path}={text} is not of the kind {kind}: give the same kind of value.")
    return value

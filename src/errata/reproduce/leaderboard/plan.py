"""What a leaderboard measures, as its TOML file says it: methods, models, data sets, regimes, protocols, seeds.

models = ["pocket-gelu"]
seeds = 1
protocols = ["generation", "likelihood"]

[methods]
rome = {}                                       # an editor by its name
"KNE, robust" = { editor = "ensemble", preset = "robust" }

[data]
pocket = {}                                     # a data set by its name
counterfact = { files = ["counterfact.json"] }  # beside the TOML file

[[regimes]]
kind = "single"                                 # each case on the unedited model
cases = 200

[[regimes]]
kind = "sequential"                             # all in one model, steps of `batch`
cases = 500
batch = 10
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from errata.errors import InputError, unknown
from errata.evaluation.protocols import PROTOCOLS
from errata.methods import Editor, editor_of
from errata.strict import text_of

SINGLE, SEQUENTIAL = "single", "sequential"
LONGEST, MOST = 1 << 20, 1_000_000  # bytes of a file; of anything that is counted
READ_BY = ("revision", "split", "subset")


@dataclass(frozen=True)
class Method:
    """An editor with its settings, under the name that the tables show."""

    name: str
    editor: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Editor:
        """The editor; what it draws it draws by its own setting, whatever cases it gets."""
        return editor_of({"name": self.editor, **self.settings})


@dataclass(frozen=True)
class Data:
    """A data set by name, with its files or hub id and how it is read (`errata.datasets.catalog.load`)."""

    name: str
    title: str
    where: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Regime:
    """single: groups of `batch` cases, each group on the unedited model; sequential: one group behind the other."""

    kind: str
    cases: int
    batch: int = 1

    @property
    def name(self) -> str:
        """What people read."""
        steps = "one by one" if self.batch == 1 else f"{self.batch} at a time"
        if self.kind == SEQUENTIAL:
            return f"{self.cases} in a row, {steps}"
        return "single edits" if self.batch == 1 else f"batches of {self.batch}"


@dataclass(frozen=True)
class Unit:
    """One method on one model, in one regime, on the cases that one seed draws."""

    model: str
    data: Data
    regime: Regime
    method: Method
    seed: int

    @property
    def name(self) -> str:
        """What people read: `ROME, single edits, pocket on pocket-gelu, seed 0`."""
        return f"{self.method.name}, {self.regime.name}, {self.data.title} on {self.model}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """A leaderboard's settings; `seeds` is their number, each draws other cases."""

    name: str
    models: tuple[str, ...]
    methods: tuple[Method, ...]
    data: tuple[Data, ...]
    regimes: tuple[Regime, ...]
    protocols: tuple[str, ...]
    seeds: int = 1
    device: str | None = None

    def units(self) -> tuple[Unit, ...]:
        """Everything to be measured, one model after the other, regimes before methods."""
        return tuple(
            Unit(model, data, regime, method, seed)
            for model in self.models
            for data in self.data
            for regime in self.regimes
            for seed in range(self.seeds)
            for method in self.methods
        )


def read(path: Path) -> Plan:
    """The plan of a TOML file; raises InputError, with the file and what was expected, for any other."""
    try:
        found = tomllib.loads(text_of(path, LONGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The file {path} is no TOML file ({error}): see errata leaderboard --help.") from error
    try:
        return _plan(path, found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _plan(path: Path, found: Mapping[str, Any]) -> Plan:
    _known(found, ("models", "seeds", "protocols", "methods", "data", "regimes", "device"), "setting of a leaderboard")
    plan = Plan(
        name=path.stem,
        models=tuple(_texts(found, "models")),
        methods=tuple(_method(name, given) for name, given in _tables(found, "methods")),
        data=tuple(_data(path.parent, name, given) for name, given in _tables(found, "data")),
        regimes=tuple(map(_regime, _list(found, "regimes"))),
        protocols=tuple(_texts(found, "protocols")),
        seeds=_whole(found, "seeds", 1),
        device=_text(found, "device"),
    )
    for name, values in (("models", plan.models), ("protocols", plan.protocols), ("regimes", plan.regimes)):
        if not values or len(set(values)) != len(values):
            raise InputError(f"the {name} are none or not different: give each once.")
    _known(dict.fromkeys(plan.protocols), PROTOCOLS, "protocol")
    return plan


def _method(name: str, given: Mapping[str, Any]) -> Method:
    settings = dict(given)
    made = Method(name, str(settings.pop("editor", name)), settings)
    try:
        made.build()
    except (TypeError, ValueError) as error:
        raise InputError(f"the method {name!r} has a setting of another kind than it takes ({error}).") from error
    return made


def _data(folder: Path, title: str, given: Mapping[str, Any]) -> Data:
    _known(given, ("data", "files", "hub", *READ_BY), f"the data set {title!r}")
    where = tuple(str(folder / one) for one in _texts({"files": [], **given}, "files"))
    hub = _text(given, "hub")
    options = {name: value for name in READ_BY if (value := _text(given, name)) is not None}
    return Data(_text(given, "data") or title, title, where if hub is None else (hub,), options)


def _regime(given: Mapping[str, Any]) -> Regime:
    _known(given, ("kind", "cases", "batch"), "setting of a regime")
    kind = given.get("kind")
    if kind not in (SINGLE, SEQUENTIAL):
        raise InputError(f"expected kind = {SINGLE!r} or {SEQUENTIAL!r} of a regime, found {kind!r}.")
    return Regime(str(kind), _whole(given, "cases", 200), _whole(given, "batch", 1))


def _known(given: Collection[str], names: Collection[str], what: str) -> None:
    """Raise where one of the names given is none of these."""
    for name in given:
        if name not in names:
            raise unknown(what, name, names)


def _texts(found: Mapping[str, Any], name: str) -> list[str]:
    values = found.get(name)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in cast(list[Any], values)):
        raise InputError(f"expected a list of names under {name!r}, found {values!r}.")
    return cast(list[str], values)


def _list(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    values = found.get(name)
    if not isinstance(values, list) or not all(isinstance(one, dict) for one in cast(list[Any], values)):
        raise InputError(f"expected [[{name}]] tables, found {values!r}.")
    return cast(list[Mapping[str, Any]], values)


def _tables(found: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    values = found.get(name)
    if not isinstance(values, dict) or not values or not all(isinstance(one, dict) for one in values.values()):
        raise InputError(f"expected tables under [{name}], each with its settings or {{}}, found {values!r}.")
    return list(cast(dict[str, Mapping[str, Any]], values).items())


def _whole(found: Mapping[str, Any], name: str, default: int) -> int:
    value = found.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
        raise InputError(f"expected a whole number from 1 to {MOST:,} under {name!r}, found {value!r}.")
    return value


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if not isinstance(value, str | None):
        raise InputError(f"expected a text under {name!r}, found {value!r}.")
    return value

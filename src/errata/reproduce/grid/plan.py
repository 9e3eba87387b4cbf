"""What the grid is made of: localizers, neuron editors, the two views, and every setting its numbers depend on.

    own      a localizer's own choice of neurons, as many as it finds
    matched  its `count` neurons with the highest scores; fewer where fewer have a score above 0

A unit is one localizer with one editor, in one view and with one seed: its facts are edited each alone, once through
the localizer's neurons and once through as many random ones in the same layers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from errata.detectors.trained import shipped
from errata.editors.ensemble import PRESETS
from errata.errors import InputError, unknown
from errata.methods import Editor, Localizer, editor, localizer, settings_of
from errata.model.identity import file_sha256
from errata.registry import names
from errata.reproduce.source import digest
from errata.training.recipe import THRESHOLDS

KNOWN = "knowledge_neurons"
# Not taken by default, because they take longest or stand near another; `random` stands beside every other by itself.
LEFT_OUT = ("causal_trace", "fact_code", "random")
# As many as the shipped detectors answer: in the matched view of that number they would be the same neurons again.
FIXED = {"fact_code": 20}
# Given all of a case's phrasings in one call; the others see the edit prompt alone.
IN_ALL_PHRASINGS = ("kn_refined",)
# Takes whole layers: there is nothing to rank, and nothing left in the layers for a random control to choose among.
WHOLE = ("all_in_layers",)
# By name, the cheap ones first: an editor with its settings.
EDITORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "neuron_values-printed": ("neuron_values", {"scale": "printed", "lambda_old": 2.0, "lambda_new": 2.0}),
    "neuron_values-norm": ("neuron_values", {"scale": "norm", "lambda_old": 1.0, "lambda_new": 8.0}),
    "ensemble-paper": ("ensemble", {"preset": "paper"}),
    "fine": ("fine", {}),
    "ensemble-robust": ("ensemble", {"preset": "robust"}),
}
# Those that are taken by default: `robust` takes many times as long as any other.
USUAL = tuple(name for name in EDITORS if name != "ensemble-robust")
OWN, MATCHED = "own", "matched"
VIEWS = (OWN, MATCHED)


def usual_localizers() -> tuple[str, ...]:
    """The localizers that are taken by default: all there are but those that are left out."""
    return tuple(name for name in names("errata.localizers") if name not in LEFT_OUT)


@dataclass(frozen=True)
class Finder:
    """A localizer on the facts of one seed of a model: what attributions are computed for."""

    localizer: str
    seed: int
    model: str

    @property
    def name(self) -> str:
        """What people read: `land, attributions, seed 0`."""
        return f"{self.localizer}, attributions, seed {self.seed}"

    def build(self) -> Localizer:
        """The localizer; wherever it is or reads knowledge neurons, they are those that the model's LAND completes.

        Raises InputError for a localizer there is not.
        """
        settings = {"threshold": THRESHOLDS[self.model]} if self.model in THRESHOLDS else {}
        known = localizer(KNOWN, **settings)
        if self.localizer == KNOWN:
            return known
        made = localizer(self.localizer)
        return replace(cast(Any, made), localizer=known) if "localizer" in made.__dataclass_fields__ else made

    def described(self) -> dict[str, Any]:
        """All that its attributions depend on, beside the model and the facts."""
        detector = shipped(self.localizer, self.model)
        return {
            **described(self.build()),
            "detector_sha256": None if detector is None else file_sha256(detector),
            "all_phrasings": self.localizer in IN_ALL_PHRASINGS,
        }


@dataclass(frozen=True)
class Unit:
    """One cell of the grid, with its random control, on the facts of one seed."""

    finder: Finder
    editor: str
    view: str

    @property
    def seed(self) -> int:
        """The seed of facts, targets, random neurons and sampled text."""
        return self.finder.seed

    @property
    def controlled(self) -> bool:
        """Whether random neurons can be matched to the localizer's."""
        return self.finder.localizer not in WHOLE

    @property
    def name(self) -> str:
        """What people read: `land × fine, own, seed 0`."""
        return f"{self.finder.localizer} × {self.editor}, {self.view}, seed {self.seed}"

    def build(self) -> Editor:
        """The editor with its usual localizer, and this seed if it takes one."""
        name, settings = EDITORS[self.editor]
        made = editor(name, **settings)
        return replace(made, seed=self.seed) if "seed" in made.__dataclass_fields__ else made

    def described(self) -> dict[str, Any]:
        """The editor with its settings, and what its preset stands for."""
        found = described(self.build())
        return {**found, "preset_terms": PRESETS.get(found.get("preset", ""))}


@dataclass(frozen=True)
class Plan:
    """The settings of `errata grid`.

    `facts`   facts of a seed, each edited alone on the unedited model
    `count`   neurons of every localizer in the matched view
    `device`  a torch device; the numbers are taken to be the same on all
    """

    model: str
    localizers: tuple[str, ...] = field(default_factory=usual_localizers)
    editors: tuple[str, ...] = USUAL
    views: tuple[str, ...] = VIEWS
    facts: int = 100
    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 20
    device: str | None = None

    def __post_init__(self) -> None:
        for title, chosen, known in (
            ("localizer", self.localizers, tuple(names("errata.localizers"))),
            ("editor", self.editors, tuple(EDITORS)),
            ("view", self.views, VIEWS),
        ):
            for name in chosen:
                if name not in known:
                    raise unknown(title, name, known, " in the grid")
            if not chosen or len(set(chosen)) != len(chosen):
                raise InputError(f"The {title}s {list(chosen)} are none or not different: give each once.")
        if "random" in self.localizers:
            raise InputError("The localizer 'random' stands beside every other by itself: leave it out.")
        if not self.seeds or self.facts < 1 or self.count < 1:
            raise InputError(
                f"Found {len(self.seeds)} seeds, {self.facts} facts and {self.count} neurons: give at least 1 of each."
            )
        if not self.units():
            raise InputError(
                f"There is nothing to measure: {', '.join(self.localizers)} in the view matched would be what the view "
                "own has. Add own to the views, or another localizer."
            )

    def finders(self, seed: int) -> tuple[Finder, ...]:
        """The localizers on a seed's facts."""
        return tuple(Finder(name, seed, self.model) for name in self.localizers)

    def units(self) -> tuple[Unit, ...]:
        """Every unit, seed by seed and there editor by editor."""
        return tuple(
            Unit(finder, editor, view)
            for seed in self.seeds
            for editor in self.editors
            for view in self.views
            for finder in self.finders(seed)
            if view == OWN or not (finder.localizer in WHOLE or self.fixed(finder.localizer))
        )

    def fixed(self, name: str) -> bool:
        """Whether a localizer's own choice is that of the matched view, which then leaves it out."""
        return FIXED.get(name) == self.count

    def settings(self) -> dict[str, Any]:
        """Everything but the methods and seeds, as plain values."""
        left_out = ("localizers", "editors", "seeds")
        return json.loads(json.dumps({name: value for name, value in asdict(self).items() if name not in left_out}))

    def finder_file(self, finder: Finder, weights: str, data: str) -> str:
        """The name of the file of a localizer's attributions: all they depend on is in it."""
        own = _key([finder.described(), weights, data])
        return f"attributions-s{finder.seed}-{finder.localizer}-{own}.safetensors"

    def unit_file(self, unit: Unit, weights: str, data: str) -> str:
        """The name of a unit's file in the work directory."""
        content = [unit.finder.described(), unit.described(), unit.view, unit.seed, weights, data]
        own = _key([*content, self.count if unit.view == MATCHED else None])
        return f"{unit.view}-s{unit.seed}-{unit.editor}-{unit.finder.localizer}-{own}.json"


def plan_of(model: str, localizers: Sequence[str] | None, editors: Sequence[str] | None, **settings: Any) -> Plan:
    """A plan of these localizers and editors, or of the usual ones."""
    return Plan(model, tuple(localizers or usual_localizers()), tuple(editors or USUAL), **settings)


def described(method: Localizer | Editor) -> dict[str, Any]:
    """A method's name and settings as plain values, without what a unit gives an editor: localizer and seed."""
    found = settings_of(method)
    if isinstance(method, Editor):
        found = {name: value for name, value in found.items() if name not in ("localizer", "seed")}
    return json.loads(json.dumps({"name": method.name, **found}))


def _key(content: Sequence[Any]) -> str:
    return digest(content)[:16]

"""The arms that are measured, each an editor with its settings, and what the sweeps change of them.

An arm with `tuned` takes the settings that the sweep of another arm chose on tuning facts. The others are measured as
their methods' defaults have them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from errata.editors._linear import LinearEditor
from errata.editors.ensemble import Ensemble
from errata.errors import unknown
from errata.methods import Editor, editor_of, settings_of
from errata.registry import method_class, names

KNE, RANDOM, FT_M, TUNED = "kne-robust", "random", "ft_m", "-tuned"
ENSEMBLE: dict[str, Any] = {"name": "ensemble"}
CONTROL: dict[str, Any] = {"name": "random", "apart": True}
NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "kne-paper": ("ensemble", {"preset": "paper"}),
    KNE: ("ensemble", {"preset": "robust"}),
    RANDOM: ("ensemble", {"preset": "robust", "localizer": {**CONTROL, "localizer": ENSEMBLE}}),
}
ARMS = (
    *("kne-paper", KNE, "kne-robust-tuned", RANDOM, FT_M, "ft_m-tuned", "ft_l", "ft_l-tuned"),
    *("lora", "fine", "rome", "memit", "alphaedit"),
)
RATES: dict[str, tuple[dict[str, Any], ...]] = {
    KNE: (
        *({"lr": lr, "kl_neighbours": weight} for lr, weight in product((0.02, 0.05, 0.1), (1.0, 5.0))),
        *({"lr": 0.02, "kl_neighbours": 5.0, "share": share} for share in (0.1, 0.3)),
    ),
    FT_M: tuple({"lr": lr} for lr in (1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)),
    "ft_l": (
        {"lr": 5e-4, "bound": 5e-4},
        *({"lr": lr, "bound": bound} for lr in (2e-3, 1e-2) for bound in (2e-3, 1e-2, 5e-2)),
    ),
}
# With it every arm of the sweeps over p and over layers has its targets within its steps, random neurons too.
SWEPT_RATE = {"lr": 0.05}
# Settings that are the ensemble's localizer's, not the editor's.
OF_LOCALIZER = ("share", "layers")
STEPS = 25
# KNE and FT-M with as many steps each, none of which is left out.
EQUAL_STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("kne-paper", {"steps": STEPS, "stop": 1.0}),
    (KNE, {"steps": STEPS, "stop": 1.0}),
    (FT_M, {"steps": STEPS, "stop": 0.0}),
)


@dataclass(frozen=True)
class Arm:
    """An editor by name with its settings; under `localizer` those of a localizer, with its `name`.

    `tuned`  the arm whose sweep chooses the settings; None: they are given
    `base`   the arm that a sweep changed; None: this is none of a sweep
    """

    name: str
    editor: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tuned: str | None = None
    base: str | None = None

    def build(self, seed: int) -> Editor:
        """The editor; the seed is that of a random localizer and of sampled text.

        Closed forms keep their own: their statistics of the unedited model, held with it, are one for all seeds.
        """
        closed_form = issubclass(method_class("errata.editors", self.editor), LinearEditor)
        return editor_of({"name": self.editor, **self.settings}, None if closed_form else seed)

    def resolved(self, seed: int) -> dict[str, Any]:
        """The editor's name and every setting that it is run with and needs no model, as plain values."""
        made = self.build(seed)
        whole = made.weighted() if isinstance(made, Ensemble) else made
        return json.loads(json.dumps({"editor": made.name, **settings_of(whole)}))

    def with_settings(self, change: Mapping[str, Any]) -> Arm:
        """With other settings; those of the ensemble's localizer go there, in a control to the one it matches."""
        own = {name: value for name, value in change.items() if name not in OF_LOCALIZER}
        of_localizer = {name: value for name, value in change.items() if name in OF_LOCALIZER}
        if of_localizer:
            ensemble = {**ENSEMBLE, **of_localizer}
            control = self.settings.get("localizer")
            own["localizer"] = {**control, "localizer": ensemble} if control else ensemble
        return replace(self, settings={**self.settings, **own})

    def changed(self, change: Mapping[str, Any]) -> Arm:
        """With other settings, for a sweep."""
        title = ", ".join(f"{name} {json.dumps(value)}" for name, value in change.items())
        return replace(self.with_settings(change), name=f"{self.name}, {title}", tuned=None, base=self.name)


def arm(name: str) -> Arm:
    """The arm of a name: KNE, its control, an editor, or one of them tuned; raises InputError for none."""
    base = name.removesuffix(TUNED)
    if base != name and base not in RATES:
        raise unknown("sweep for", base, RATES)
    known = names("errata.editors")
    if base not in NAMED and base not in known:
        raise unknown("arm", name, (*NAMED, *known))
    chosen, settings = NAMED.get(base, (base, {}))
    return Arm(name, chosen, settings, tuned=base if base != name else None)

"""The units of the measurement in their order, and every setting that their numbers depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from errata.errors import InputError
from errata.reproduce.kne.arms import ARMS, EQUAL_STEPS, KNE, RANDOM, RATES, SWEPT_RATE, Arm, arm
from errata.reproduce.source import digest

SHARES = (0.003, 0.01, 0.03, 0.1, 0.3)
BATCHES = (1, 10, 100)
MAIN, SHARE, LAYERS, RATE, TIMING = "edits", "share", "layers", "rate", "timing"


@dataclass(frozen=True)
class Unit:
    """One arm measured once: `facts` of `seed`, edited together in groups of `batch` on the unedited model.

    `change` is what a sweep changed of the arm.
    """

    kind: str
    arm: Arm
    batch: int
    seed: int
    facts: int
    change: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people read: `rome, batches of 10, seed 0`."""
        if self.kind != MAIN:
            return f"{self.kind}: {self.arm.name}"
        rest = f" and one of {self.facts % self.batch}" if self.facts % self.batch else ""
        how = "single edits" if self.batch == 1 else f"batches of {self.batch}{rest}"
        return f"{self.arm.name}, {how}, seed {self.seed}"

    @property
    def drawn(self) -> int | None:
        """The seed whose facts are edited; None in a sweep, which edits those for tuning."""
        return self.seed if self.kind == MAIN else None


@dataclass(frozen=True)
class Plan:
    """The settings of `errata reproduce kne`.

    `facts`    edited by every arm, for each seed
    `batches`  facts edited together: all of them in groups of each size, each group on the unedited model
    `tuning`   facts of the sweeps, which no other number uses; 0: no sweeps, and no tuned arms
    `shares`   p of the sweep over the size of the ensemble;  `layers`: layers of the sweep over its place
    `rates`    settings that the sweep of an arm tries, for the arm that is tuned by it
    `timed`    of the tuning facts, on which arms are timed at equal steps
    `written`  tokens of the texts that fluency is taken of
    `device`   a torch device; the scores are taken to be the same on all
    """

    model: str
    arms: tuple[Arm, ...]
    facts: int = 200
    batches: tuple[int, ...] = BATCHES
    seeds: tuple[int, ...] = (0, 1, 2)
    tuning: int = 40
    shares: tuple[float, ...] = SHARES
    layers: tuple[int, ...] = ()
    rates: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=lambda: RATES)
    timed: int = 10
    written: int = 50
    device: str | None = None

    def __post_init__(self) -> None:
        chosen = [one.name for one in self.arms]
        if not chosen or len(set(chosen)) != len(chosen):
            raise InputError(f"The arms {chosen} are none or not different: give each once.")
        for name, values in (("seeds", self.seeds), ("batches", self.batches)):
            if not values or len(set(values)) != len(values) or min(values) < (name == "batches"):
                raise InputError(f"The {name} {values} are none, too small or not different: give each once.")
        if self.facts < 1 or min(self.tuning, self.timed, self.written) < 0:
            raise InputError(f"Expected a fact or more and no negative numbers, found facts {self.facts}: change them.")
        if max(self.batches) > self.facts:
            raise InputError(
                f"Expected batches of {self.facts} facts at most, all that there are, found {max(self.batches)}: "
                "give smaller batches or more facts."
            )
        outside = [share for share in self.shares if not 0 < share <= 1]
        if outside:
            raise InputError(f"Expected shares of all neurons in (0, 1], found {outside[0]:g}: give for example 0.03.")
        tuned = [one.name for one in self.arms if one.tuned]
        if tuned and not self.tuning:
            raise InputError(f"The arm {tuned[0]} needs tuning facts: give --tuning, or leave the arm out.")

    def sweeps(self) -> tuple[Unit, ...]:
        """What is chosen or shown on tuning facts: rates first, since tuned arms wait for them."""
        if not self.tuning:
            return ()
        tuned, chosen = {one.tuned for one in self.arms}, {one.name for one in self.arms}
        found = [
            (RATE, arm(name).changed(change), change)
            for name, changes in self.rates.items()
            if name in tuned
            for change in changes
        ]
        places = [(SHARE, {"share": share}) for share in self.shares]
        places += [(LAYERS, {"layers": [layer]}) for layer in self.layers]
        for name in (KNE, RANDOM):
            swept = arm(name).with_settings(SWEPT_RATE)
            found += [(kind, swept.changed(change), change) for kind, change in places if name in chosen]
        return tuple(Unit(kind, own, 1, 0, self.tuning, change) for kind, own, change in found)

    def timings(self) -> tuple[Unit, ...]:
        """What is timed on tuning facts at equal steps."""
        count, chosen = min(self.timed, self.tuning), {one.name for one in self.arms}
        timed = [(arm(name), change) for name, change in EQUAL_STEPS if name in chosen and count]
        return tuple(Unit(TIMING, own.changed(change), 1, 0, count, change) for own, change in timed)

    def edits(self, rates: Mapping[str, Mapping[str, Any] | None]) -> tuple[Unit, ...]:
        """The main units, single edits first and then seed by seed; tuned arms take their settings from `rates`."""
        arms = [one.with_settings(rates.get(one.name) or {}) for one in self.arms]
        return tuple(
            Unit(MAIN, one, batch, seed, self.facts) for batch in self.batches for seed in self.seeds for one in arms
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the arms and seeds, as plain values."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("arms", "seeds", "device")}
        return json.loads(json.dumps(kept))

    def file_name(self, unit: Unit, weights: str, data: str) -> str:
        """The name of a unit's file: what it is, and a hash of all that its numbers depend on."""
        content = [unit.kind, unit.arm.resolved(unit.seed), unit.batch, unit.seed, unit.facts, self.written]
        place = [self.device or "cpu"] if unit.kind == TIMING else []
        key = digest([*content, *place, weights, data])[:16]
        return f"{unit.kind}-b{unit.batch}-s{unit.seed}-{unit.arm.editor}-{key}.json"


def plan_of(
    model: str, chosen: Sequence[str] | None, facts: int = 200, batches: Sequence[int] | None = None, **settings: Any
) -> Plan:
    """A plan of these arms; by default all, the tuned ones if there are tuning facts.

    Of the usual batches those that are larger than `facts` are left out.
    """
    made = tuple(arm(name) for name in (ARMS if chosen is None else chosen))
    if chosen is None and not settings.get("tuning", 1):
        made = tuple(one for one in made if not one.tuned)
    sizes = tuple(size for size in BATCHES if size <= facts) or (1,) if batches is None else tuple(batches)
    return Plan(model, made, facts=facts, batches=sizes, **settings)

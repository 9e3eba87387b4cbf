"""What a reconstruction of O-Edit is measured with: the arms, the sequences, and every setting its numbers depend on.

An arm is an editor with its settings, known by a name: `rome`, `o_edit_plus-memit_aligned` for one editor on another,
or `o_edit_plus:enforce=loss+post` for other settings than the defaults. A unit is one arm in one sequence with one
seed: what is measured, written and resumed as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from errata.errors import InputError, unknown
from errata.methods import Editor, editor_of, settings_of
from errata.registry import names
from errata.reproduce.source import digest

LENGTHS = (1, 10, 50, 100, 200, 500, 1000)
WATCHED = (20, 30, 75, 150, 300, 400, 700)
ON, WITH = "-", ":"
# Editors that stand on another, and on which where an arm's name does not say.
BASES = {"rect": "memit", "prune": "memit", "delta_edit": "rome", "o_edit": "rome", "o_edit_plus": "rome"}
ARMS = (
    "rome",
    "o_edit_plus",
    "memit_aligned",
    "o_edit_plus-memit_aligned",
    "alphaedit",
    "memit",
    "o_edit",
    "delta_edit",
    "rect",
    "prune",
)
WITHOUT_COVARIANCE = ("rome", "memit", "memit_aligned", "o_edit_plus", "o_edit_plus-memit_aligned")
# The switches of O-Edit on ROME, one of them or a pair changed at a time; with no change it is the arm o_edit_plus.
SWITCHES: tuple[dict[str, Any], ...] = (
    {"enforce": "none"},
    *(
        {"enforce": enforce, "protect": protect}
        for enforce in ("loss", "in_loop", "post", "loss+post")
        for protect in ("history", "implicit", "both")
    ),
    {"energy": 0.8},
    {"energy": 1.0},
    {"implicit_rank": 0},
    {"implicit_rank": 32},
    {"rank_cap": 0.1},
    {"rank_cap": 0.25},
    {"rank_cap": 1.0},
    {"side": "right"},
    {"side": "both"},
)
SINGLE, SEQUENCE, ABLATION, COVARIANCE = "single", "sequence", "ablation", "covariance"
ABLATED = "o_edit"


@dataclass(frozen=True)
class Arm:
    """An editor by name with its settings; under `base` the settings of the one it stands on, with its `name`."""

    name: str
    editor: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, seed: int) -> Editor:
        """The editor; the seed is that of the innermost editor's sampled text. Raises InputError for no such editor."""
        return editor_of({"name": self.editor, **self.settings}, seed)

    def resolved(self, seed: int) -> dict[str, Any]:
        """The editor's name and every setting it is run with, as plain values."""
        made = self.build(seed)
        return json.loads(json.dumps({"editor": made.name, **settings_of(made)}))


def arm(name: str, **settings: Any) -> Arm:
    """The arm of a name, `EDITOR` or `EDITOR-BASE`, with `:KEY=VALUE` for each setting that is another.

    Editors that stand on another have a usual one (BASES). Raises InputError for an editor or a setting there is not.
    """
    called, *given = name.split(WITH)
    chosen, _, base = called.partition(ON)
    known = names("errata.editors")
    for one in (chosen, *((base,) if base else ())):
        if one not in known:
            raise unknown("editor", one, known, f" (arm {name!r})")
    if base and chosen not in BASES:
        raise InputError(f"The editor {chosen} stands on no other: name it without {ON}{base}.")
    settings = {**dict(_setting(name, pair) for pair in given), **settings}
    if chosen in BASES:
        settings = {"base": {"name": base or BASES[chosen]}, **settings}
    found = Arm(name, chosen, settings)
    found.build(0)
    return found


def without_covariance(name: str) -> Arm:
    """The same arm with `use_covariance` off, in the editor it stands on if it stands on one."""
    found = arm(name)
    settings = dict(found.settings)
    if "base" in settings:
        settings["base"] = {**settings["base"], "use_covariance": False}
    else:
        settings["use_covariance"] = False
    return Arm(f"{name}, no covariance", found.editor, settings)


def switched(change: Mapping[str, Any]) -> Arm:
    """O-Edit on ROME with the default `enforce` of O-Edit+ and these switches."""
    settings = {"enforce": "in_loop", **change}
    title = ", ".join(f"{key} {value}" for key, value in change.items())
    return Arm(title, ABLATED, {"base": {"name": "rome"}, **settings})


def _setting(name: str, pair: str) -> tuple[str, Any]:
    """`rank_cap=0.1` as a name and a value: a number, or what JSON says, or else a word."""
    key, equals, text = pair.partition("=")
    if not (key and equals and text):
        raise InputError(f"The setting {pair!r} of the arm {name!r} has no value: write KEY=VALUE behind the colon.")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text


@dataclass(frozen=True)
class Unit:
    """One arm measured once: `edits` edits in steps of `batch`, on the cases of `seed`."""

    kind: str
    arm: Arm
    batch: int
    seed: int
    edits: int

    @property
    def name(self) -> str:
        """What people read: `rome, batches of 50, seed 0`."""
        how = {SINGLE: "single edits", SEQUENCE: f"batches of {self.batch}"}.get(self.kind, self.kind)
        return f"{self.arm.name}, {how}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """The settings of `errata reproduce o-edit`.

    `edits`       edits of a sequence
    `lengths`     numbers of edits at which everything is scored; those up to `edits` count, and `edits` itself
    `watched`     more of them, for the curves and the alarms
    `batches`     edits made together in a step
    `single`      facts edited each alone on the unedited model (first seed); 0: none
    `ablation`    edits of a sequence with other switches or without covariance; 0: none
    `switches`    what the ablation changes;  `no_covariance`: arms measured without covariance
    `known`       facts that are never edited and should stay answered right
    `device`      a torch device; the numbers are taken to be the same on all
    """

    model: str
    arms: tuple[Arm, ...]
    edits: int = 1000
    lengths: tuple[int, ...] = LENGTHS
    watched: tuple[int, ...] = WATCHED
    batches: tuple[int, ...] = (1, 50)
    seeds: tuple[int, ...] = (0, 1, 2)
    single: int = 200
    ablation: int = 200
    switches: tuple[Mapping[str, Any], ...] = SWITCHES
    no_covariance: tuple[str, ...] = WITHOUT_COVARIANCE
    known: int = 200
    device: str | None = None

    def __post_init__(self) -> None:
        if not self.arms or len({one.name for one in self.arms}) != len(self.arms):
            raise InputError(f"The arms {[one.name for one in self.arms]} are none or not different: give each once.")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"The seeds {self.seeds} are none or not different: give each once.")
        if self.edits < 1 or min(self.single, self.ablation, self.known) < 0 or self.ablation > self.edits:
            raise InputError(
                "Expected an edit or more, no negative numbers and no more edits in the ablation than in a sequence, "
                f"found edits {self.edits}, single {self.single}, ablation {self.ablation}: change them."
            )
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) != len(self.batches):
            raise InputError(f"The batches {self.batches} are none, below 1 or not different: give for example 1,50.")

    def checkpoints(self, batch: int, edits: int) -> tuple[int, ...]:
        """Numbers of edits at which a sequence is scored: those lengths that end a step, and the last."""
        found = {at for at in (*self.lengths, *self.watched) if at < edits and at % batch == 0}
        return tuple(sorted(found | {edits}))

    def units(self) -> tuple[Unit, ...]:
        """Every unit, in the order in which a run that is stopped is the most useful.

        The first seed's single edits, sequences, covariance and ablation; then sequences of the other seeds; then
        their covariance and ablation.
        """
        first, *others = self.seeds
        found = [Unit(SINGLE, one, 1, first, self.single) for one in self.arms if self.single]
        found += [*self._sequences(first), *self._ablation(first)]
        found += [unit for seed in others for unit in self._sequences(seed)]
        found += [unit for seed in others for unit in self._ablation(seed)]
        return tuple(found)

    def _sequences(self, seed: int) -> list[Unit]:
        return [Unit(SEQUENCE, one, batch, seed, self.edits) for batch in self.batches for one in self.arms]

    def _ablation(self, seed: int) -> list[Unit]:
        if not self.ablation:
            return []
        found = [Unit(COVARIANCE, without_covariance(name), 1, seed, self.ablation) for name in self.no_covariance]
        return found + [Unit(ABLATION, switched(change), 1, seed, self.ablation) for change in self.switches]

    def settings(self) -> dict[str, Any]:
        """Everything but the arms and seeds, as plain values."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("arms", "seeds")}
        return json.loads(json.dumps(kept))

    def key(self, unit: Unit, weights: str, data: str) -> str:
        """All that a unit's numbers depend on, as a hash: editor, sequence, model's weights, data."""
        content = [unit.kind, unit.arm.resolved(unit.seed), unit.batch, unit.seed, unit.edits, weights, data]
        content += [list(self.checkpoints(unit.batch, unit.edits))]
        return digest(content)[:16]

    def file_name(self, unit: Unit, weights: str, data: str) -> str:
        """The name of a unit's file in the work directory."""
        return f"{unit.kind}-b{unit.batch}-s{unit.seed}-{unit.arm.editor}-{self.key(unit, weights, data)}.json"


def arms_of(chosen: Sequence[str]) -> tuple[Arm, ...]:
    """Arms by name, in the order given."""
    return tuple(arm(name) for name in chosen)


def plan_of(model: str, arms: Sequence[Arm], **settings: Any) -> Plan:
    """A plan of these arms: switches where O-Edit+ is among them, without covariance those of them that have one."""
    chosen = {one.name for one in arms}
    return Plan(
        model,
        tuple(arms),
        switches=SWITCHES if "o_edit_plus" in chosen else (),
        no_covariance=tuple(name for name in WITHOUT_COVARIANCE if name in chosen),
        **settings,
    )

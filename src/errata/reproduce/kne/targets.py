"""What KNE should show, each with what was measured, and whether it does.

    at or above the best    upper end of the paired interval of (KNE − best rival) ≥ 0
    beats its control       lower end of the paired interval of (KNE − random) > 0, in locality or generalization

All of single edits by free generation; an interval is the paired bootstrap's over facts and seeds. The best rival is
that with the largest mean among FT-M, FT-M at the tuned rate, ROME and MEMIT. A target has a value and a verdict once
all seeds of all arms that it names are measured. A fact whose edit failed counts as it is in what was to follow, not in
what was to stay; the remark says how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errata.reproduce.kne.arms import FT_M, KNE, RANDOM
from errata.reproduce.kne.plan import TIMING, Plan
from errata.reproduce.kne.rows import Done, of_all_seeds, paired, unedited
from errata.reproduce.summary import mean

RIVALS = (FT_M, "rome", "memit")
EFFICACY, SECONDS, TIMES = 0.98, 5.0, 2.0

Target = dict[str, Any]


def targets_of(plan: Plan, edits: Sequence[Done], sweeps: Sequence[Done]) -> list[Target]:
    """Every target, in the order of the issue's list."""
    own = of_all_seeds(edits, KNE, plan.seeds)
    efficacy = mean([value for done in own for value in done.values("efficacy")])
    seconds = mean([done.found["seconds_per_edit"] for done in own if done.found])
    return [
        _target(
            f"efficacy of {KNE}", efficacy, f"≥ {EFFICACY:g}", efficacy is not None and efficacy >= EFFICACY, _over(own)
        ),
        *(_at_least_best(plan, edits, name) for name in ("portability", "locality")),
        _beats_control(plan, edits),
        _target(
            f"seconds of an edit of one fact, {KNE}",
            seconds,
            f"≤ {SECONDS:g}",
            seconds is not None and seconds <= SECONDS,
            _threads(own),
        ),
        *(_times(sweeps, name) for name in ("kne-paper", KNE)),
    ]


def _at_least_best(plan: Plan, edits: Sequence[Done], score: str) -> Target:
    """KNE less the best rival, on the same facts."""
    title, wanted = f"{score}: {KNE} − the best of FT-M, ROME and MEMIT", "≥ 0 within the interval"
    tuned = [one.name for one in plan.arms if one.tuned == FT_M]
    found = {name: of_all_seeds(edits, name, plan.seeds) for name in (*RIVALS, *tuned)}
    means = {name: mean([value for done in own for value in done.values(score)]) for name, own in found.items()}
    missing = [name for name, value in means.items() if value is None]
    own = of_all_seeds(edits, KNE, plan.seeds)
    best = max(means, key=lambda name: means[name] or 0.0)
    difference = None if missing else paired(own, found[best], score)
    if difference is None:
        return _target(title, None, wanted, None)
    reached = mean([value for done in found[best] for value in done.values("efficacy")]) or 0.0
    note = f"{best} is best, with efficacy {reached:.3f}; {_interval(difference)}{_failed({KNE: own, **found})}"
    return _target(title, difference["mean"], wanted, difference["high"] >= 0, note)


def _beats_control(plan: Plan, edits: Sequence[Done]) -> Target:
    """KNE less random neurons, in the score where its lower end is highest."""
    title, wanted = f"locality or generalization: {KNE} − random neurons", "> 0, with the interval apart"
    own, other = (of_all_seeds(edits, name, plan.seeds) for name in (KNE, RANDOM))
    found = {name: paired(own, other, name) for name in ("locality", "generalization")}
    measured = {name: value for name, value in found.items() if value is not None}
    if not measured:
        return _target(title, None, wanted, None)
    best = max(measured, key=lambda name: measured[name]["low"])
    note = "; ".join(f"{name} {_signed(value['mean'])}, {_interval(value)}" for name, value in measured.items())
    note += _failed({KNE: own, RANDOM: other})
    return _target(title, measured[best]["mean"], wanted, measured[best]["low"] > 0, note)


def _times(sweeps: Sequence[Done], name: str) -> Target:
    """How many times FT-M's seconds an edit takes, both with as many steps."""
    title = f"time of an edit at equal steps: {name} over FT-M"
    timed = {done.unit.arm.base: done for done in sweeps if done.unit.kind == TIMING and done.found is not None}
    own, other = (None if arm not in timed else timed[arm].found for arm in (name, FT_M))
    if own is None or other is None:
        return _target(title, None, f"≤ {TIMES:g} ×", None)
    factor = own["seconds_per_edit"] / other["seconds_per_edit"]
    note = (
        f"{own['seconds_per_edit']:.2f} s and {other['seconds_per_edit']:.2f} s, medians{_threads([timed[name]], ', ')}"
    )
    return _target(title, factor, f"≤ {TIMES:g} ×", factor <= TIMES, note)


def _threads(units: Sequence[Done], before: str = "") -> str | None:
    """What units ran on: `cpu, threads: 1`."""
    found = dict.fromkeys(f"{done.found['device']}, threads: {done.found['threads']}" for done in units if done.found)
    return f"{before}{'; '.join(found)}" if found else None


def _failed(arms: Mapping[str, Sequence[Done]]) -> str:
    """How many facts arms did not edit, where there are any: `; not edited by rome: 3 facts`."""
    counts = {name: unedited(own) for name, own in arms.items()}
    return "".join(
        f"; not edited by {name}: {count} fact{'s' * (count > 1)}" for name, count in counts.items() if count
    )


def _over(own: Sequence[Done]) -> str | None:
    if not own:
        return None
    cases = sum(len(done.values("efficacy")) for done in own)
    return f"{len(own)} seed{'s' * (len(own) > 1)}, n = {cases}{_failed({KNE: own})}"


def _interval(found: dict[str, Any]) -> str:
    return f"[{_signed(found['low'])}, {_signed(found['high'])}], n = {found['n']}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _target(name: str, value: float | None, wanted: str, reached: Any, note: str | None = None) -> Target:
    return {
        "name": name,
        "value": None if value is None else round(value, 6),
        "wanted": wanted,
        "reached": None if value is None else bool(reached),
        **({"note": note} if note else {}),
    }

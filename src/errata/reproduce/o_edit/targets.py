"""What a reconstruction of O-Edit should show, each with what was measured, and whether it does.

    collapsed      mean of the three scores at the end < 0.5 · their mean at the lengths up to 10 edits
    at least as good    mean difference over seeds + half-width of its 95 % interval ≥ 0

A target whose units were not measured has neither value nor verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from errata.reproduce.o_edit.plan import Plan
from errata.reproduce.o_edit.rows import Done
from errata.reproduce.summary import mean, over_seeds

SINGLE_ARMS = ("rome", "memit", "alphaedit", "o_edit_plus")
EFFICACY, SPECIFICITY = 0.98, 0.90
ROME, PLUS, ALIGNED, ALPHA = "rome", "o_edit_plus", "memit_aligned", "alphaedit"
PLUS_ALIGNED = "o_edit_plus-memit_aligned"
FACTOR, COLLAPSE, EARLY, KNOWN, STABLE = 4.2, 0.5, 10, 0.95, 0.9

Target = dict[str, Any]


def single_targets(table: Mapping[str, Any]) -> list[Target]:
    """Efficacy and specificity of every arm that single edits are wanted of."""
    rows: list[Target] = []
    for arm in SINGLE_ARMS:
        scores = table[arm]["scores"] if arm in table else {}
        for name, bound in (("efficacy", EFFICACY), ("specificity", SPECIFICITY)):
            value = scores[name]["mean"] if name in scores else None
            rows.append(_target(f"single edits: {name} of {arm}", value, f"≥ {bound:g}", value and value >= bound))
    return rows


def targets_of(plan: Plan, sequences: Sequence[Done], alarms: Sequence[Mapping[str, Any]]) -> list[Target]:
    """The targets of sequences of single edits, at the sequence's last edit, and those of the alarms."""
    own = {
        arm: {done.unit.seed: done.rows for done in sequences if (done.unit.arm.name, done.unit.batch) == (arm, 1)}
        for arm in (ROME, PLUS, ALIGNED, ALPHA, PLUS_ALIGNED)
    }
    ends = {
        arm: {seed: row for seed, rows in seeds.items() if (row := _at(rows, plan.edits)) is not None}
        for arm, seeds in own.items()
    }
    return [
        _lead(plan, own[ROME], ends),
        *(_at_least(plan, ends, other) for other in (ALIGNED, ALPHA)),
        _known(plan, ends[PLUS_ALIGNED]),
        _warned(alarms),
        _quiet(alarms),
    ]


def _lead(plan: Plan, rome: Mapping[int, list[dict[str, Any]]], ends: Mapping[str, Mapping[int, Any]]) -> Target:
    """O-Edit+ against plain ROME, where plain ROME has collapsed."""
    name = f"{plan.edits} single edits: mean of the three scores, {PLUS} over {ROME}"
    wanted = f"≥ {FACTOR:g} ×, or {ROME} has not collapsed"
    early = mean(
        [row["mean"] for rows in rome.values() for row in rows if row["edits"] <= EARLY and row["mean"] is not None]
    )
    last, lead = _mean(ends[ROME]), _mean(ends[PLUS])
    if early is None or last is None or lead is None:
        return _target(name, None, wanted, None)
    kept = last / early if early else 0.0
    collapsed = kept < COLLAPSE
    factor = lead / last if last else None
    state = "has collapsed" if collapsed else "has not collapsed"
    note = f"{ROME} {state}: {last:.3f} at the end, {early:.3f} at up to {EARLY} edits"
    if last == 0:
        note += "; with nothing left of it the factor has no bound"
    reached = not collapsed or (lead > 0 if factor is None else factor >= FACTOR)
    return _target(name, factor, wanted, reached, note)


def _at_least(plan: Plan, ends: Mapping[str, Mapping[int, Any]], other: str) -> Target:
    """O-Edit+ on MEMIT aligned less another arm, seed by seed."""
    name = f"{plan.edits} single edits: mean of the three scores, {PLUS_ALIGNED} − {other}"
    both = [seed for seed in ends[PLUS_ALIGNED] if seed in ends[other]]
    found = over_seeds([ends[PLUS_ALIGNED][seed]["mean"] - ends[other][seed]["mean"] for seed in both])
    wanted = "≥ 0 within its interval"
    if found is None:
        return _target(name, None, wanted, None)
    half = found["interval"]
    note = f"{len(both)} seed" if half is None else f"± {half:.3f} over {len(both)} seeds"
    return _target(name, found["mean"], wanted, found["mean"] + (half or 0.0) >= 0, note)


def _known(plan: Plan, ends: Mapping[int, Any]) -> Target:
    value = mean([row["known"] for row in ends.values() if row.get("known") is not None])
    name = f"{plan.edits} single edits: known facts never edited, {PLUS_ALIGNED} over the unedited model"
    return _target(name, value, f"≥ {KNOWN:g}", value and value >= KNOWN)


def _warned(alarms: Sequence[Mapping[str, Any]]) -> Target:
    """Whether every plain ROME sequence that fell under one half was warned of before it did."""
    name = f"health: sequences of single edits of {ROME} warned of before efficacy falls under one half"
    rome = [row for row in alarms if (row["arm"], row["batch"]) == (ROME, 1)]
    fell = [row for row in rome if row["below_half"] is not None]
    warned = [row for row in fell if row["first"] is not None and row["first"]["edits"] < row["below_half"]]
    if not rome:
        return _target(name, None, "all", None)
    if not fell:
        return _target(name, None, "all", None, f"efficacy of {ROME} never fell under one half")
    return _target(name, len(warned) / len(fell), "all", len(warned) == len(fell), f"{len(warned)} of {len(fell)}")


def _quiet(alarms: Sequence[Mapping[str, Any]]) -> Target:
    """Alarms while all scores of a sequence were above 0.9: its beginning is itself a sequence that stays there."""
    name = f"health: alarms on sequences, or beginnings of them, whose scores stay above {STABLE:g}"
    stable = [row for row in alarms if row["stable"]]
    if not stable:
        return _target(name, None, "0", None, "no sequence's scores were ever that high" if alarms else None)
    false = sum(row["first"] is not None and row["first"]["edits"] <= row["stable"] for row in stable)
    longest = max(row["stable"] for row in stable)
    return _target(name, float(false), "0", false == 0, f"{len(stable)} sequences, the longest of {longest} edits")


def _at(rows: Sequence[dict[str, Any]], edits: int) -> dict[str, Any] | None:
    return next((row for row in rows if row["edits"] == edits and row["mean"] is not None), None)


def _mean(ends: Mapping[int, Any]) -> float | None:
    return mean([row["mean"] for row in ends.values()])


def _target(name: str, value: float | None, wanted: str, reached: Any, note: str | None = None) -> Target:
    return {
        "name": name,
        "value": None if value is None else round(value, 6),
        "wanted": wanted,
        "reached": None if value is None and reached is None else bool(reached),
        **({"note": note} if note else {}),
    }

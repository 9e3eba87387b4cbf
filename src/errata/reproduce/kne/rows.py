"""A unit's file read as scores, case by case; rows over seeds, and differences of two arms on the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from errata.reproduce.kne.plan import Unit
from errata.reproduce.summary import mean, over_seeds
from errata.scores import bootstrap

GENERATION, FORCED = "generation", "teacher-forced"
PROTOCOLS = (GENERATION, FORCED)
COSTS = ("seconds_per_edit", "peak_bytes", "neurons", "steps")


@dataclass(frozen=True)
class Done:
    """A unit, its file's content, None where it was not measured yet, and the file's name; units may share one."""

    unit: Unit
    found: dict[str, Any] | None
    file: str | None = None

    def cases(self, name: str, protocol: str = GENERATION) -> list[float | None]:
        """A score's values, one a case that counts in it, None of one that was not edited and so cannot be disturbed.

        Two units of the same facts have their values in the same order; there are none where it was not measured.
        """
        scores = {} if self.found is None else self.found["scores"][protocol]
        return list(scores[name]["values"]) if name in scores else []

    def values(self, name: str, protocol: str = GENERATION) -> list[float]:
        """A score's values without those that are None."""
        return [value for value in self.cases(name, protocol) if value is not None]

    def mean(self, name: str, protocol: str = GENERATION) -> float | None:
        """A score's mean over cases."""
        return mean(self.values(name, protocol))


def row_of(units: Sequence[Done]) -> dict[str, Any] | None:
    """One arm's scores and costs over seeds, with the number of cases behind each score; None where none is there."""
    done = [(one, one.found) for one in units if one.found is not None]
    if not done:
        return None
    row: dict[str, Any] = {"seeds": [one.unit.seed for one, _ in done]}
    for protocol in PROTOCOLS:
        names = dict.fromkeys(name for _, found in done for name in found["scores"][protocol])
        row[protocol] = {
            name: {**over, "n": sum(len(one.values(name, protocol)) for one, _ in done)}
            for name in names
            if (over := over_seeds([one.mean(name, protocol) for one, _ in done]))
        }
    costs = {name: over_seeds([found[name] for _, found in done]) for name in COSTS}
    return {**row, **costs, "failed": sum(found["failed"] for _, found in done)}


def paired(first: Sequence[Done], second: Sequence[Done], name: str) -> dict[str, Any] | None:
    """Mean difference over the same cases of the same seeds, with the bootstrap's 95 % interval of paired cases.

    A case that one of the two did not edit is left out of what is to stay.
    """
    others = {done.unit.seed: done.cases(name) for done in second}
    pairs = [
        (one, other)
        for done in first
        if len(done.cases(name)) == len(others.get(done.unit.seed, ()))
        for one, other in zip(done.cases(name), others.get(done.unit.seed, ()), strict=True)
        if one is not None and other is not None
    ]
    if not pairs:
        return None
    values = [one - other for one, other in pairs]
    low, high = bootstrap(values)
    return {"mean": round(sum(values) / len(values), 6), "low": round(low, 6), "high": round(high, 6), "n": len(values)}


def of_arm(edits: Sequence[Done], name: str, batch: int = 1) -> list[Done]:
    """The measured units of an arm's groups of one size."""
    return [done for done in edits if done.found is not None and is_of(done, name, batch)]


def of_all_seeds(edits: Sequence[Done], name: str, seeds: Sequence[int]) -> list[Done]:
    """An arm's single edits of all seeds; none where one of them was not measured yet."""
    found = of_arm(edits, name)
    return found if {done.unit.seed for done in found} >= set(seeds) else []


def unedited(units: Sequence[Done]) -> int:
    """Facts whose edit failed."""
    return sum(done.found["failed"] for done in units if done.found is not None)


def is_of(done: Done, name: str, batch: int) -> bool:
    """Whether a unit is an arm's, in groups of one size."""
    return (done.unit.arm.name, done.unit.batch) == (name, batch)

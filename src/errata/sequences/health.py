"""When a sequence has to stop: thresholds on what a checkup measures.

A score counts where at least `least` cases were measured. The thresholds on scores lie between one half and 0.9: a
sequence whose scores all stay above 0.9 is never stopped, and one of which a score has fallen under one half always is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from errata.errors import InputError
from errata.scores import Score
from errata.sequences.checkup import Checkup


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a sequence should stop, and the last checkup at which all was well: None where there was none."""

    reason: str
    at: int
    good: Checkup | None


@dataclass(frozen=True, slots=True)
class Health:
    """The least a score may be, and the most the weights and the perplexity may have grown; None is no threshold.

    `retention`, `generalization` and `specificity` are of all edits so far, `new` is the efficacy of the edits since
    the last checkup. `relative` bounds ‖W − W₀‖_F / ‖W₀‖_F, `growth` σ_max(W) / σ_max(W₀), `perplexity` its ratio to
    the unedited model's. Raises InputError for a share outside [0, 1].
    """

    retention: float | None = 0.8
    new: float | None = 0.8
    generalization: float | None = 0.6
    specificity: float | None = 0.7
    known: float | None = 0.8
    relative: float | None = None
    growth: float | None = None
    perplexity: float | None = None
    least: int = 10

    def __post_init__(self) -> None:
        for name in ("retention", "new", "generalization", "specificity", "known"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"The threshold {name}={value} is no share: give a number from 0 to 1.")
        if any(getattr(self, name) is not None and getattr(self, name) <= 0 for name in ("relative", "growth")):
            raise InputError("The thresholds relative and growth are ratios: give numbers above 0.")

    @classmethod
    def off(cls) -> Health:
        """No threshold at all."""
        return cls(retention=None, new=None, generalization=None, specificity=None, known=None)

    def judge(self, rows: Sequence[Checkup]) -> Alarm | None:
        """The alarm that the last of these checkups raises, if it raises one."""
        wrong = next(self._wrong(rows[-1]), None) if rows else None
        if wrong is None:
            return None
        good = next((row for row in reversed(rows[:-1]) if next(self._wrong(row), None) is None), None)
        return Alarm(wrong, rows[-1].done, good)

    def _wrong(self, row: Checkup) -> Iterator[str]:
        scores: tuple[tuple[str, float | None, Score | None], ...] = (
            ("Efficacy of all edits so far", self.retention, row.all.get("efficacy")),
            ("Efficacy of the new edits", self.new, row.new.get("efficacy")),
            ("Generalization of all edits so far", self.generalization, row.all.get("generalization")),
            ("Specificity of all edits so far", self.specificity, row.all.get("specificity")),
            ("The share of known facts", self.known, row.known),
        )
        for what, least, score in scores:
            if least is not None and score is not None and score.n >= self.least and score.mean < least:
                yield f"{what} is {score.mean:.2f}, below {least:g}."
        ratio = row.perplexity / row.perplexity_before if row.perplexity and row.perplexity_before else 0.0
        ratios: tuple[tuple[str, float | None, float], ...] = (
            ("‖W − W₀‖ / ‖W₀‖", self.relative, row.relative),
            ("σ_max(W) / σ_max(W₀)", self.growth, row.growth),
            ("The perplexity's ratio to the unedited model's", self.perplexity, float("inf") if row.broken else ratio),
        )
        for what, most, value in ratios:
            if most is not None and value > most:
                yield f"{what} is {value:.3g}, above {most:g}."

"""Measure what an edit changed and what it did not."""

from errata.evaluation.compare import Change, Comparison, compare
from errata.evaluation.evaluator import evaluate
from errata.evaluation.metrics import score
from errata.evaluation.probes import CaseOutcome, Reply, answer_probabilities, answers, check, probe

__all__ = [
    "CaseOutcome",
    "Change",
    "Comparison",
    "Reply",
    "answer_probabilities",
    "answers",
    "check",
    "compare",
    "evaluate",
    "probe",
    "score",
]

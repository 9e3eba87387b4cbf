"""Measure what an edit changed and what it did not."""

from errata.evaluation.compare import Change, Comparison, compare
from errata.evaluation.evaluator import evaluate
from errata.evaluation.examination import Examined, entropy, examine, score_examined
from errata.evaluation.metrics import score
from errata.evaluation.probes import CaseOutcome, Reply, answer_probabilities, answers, check, probe
from errata.evaluation.teacher_forced import Choices, choose, score_choices

__all__ = [
    "CaseOutcome",
    "Change",
    "Choices",
    "Comparison",
    "Examined",
    "Reply",
    "answer_probabilities",
    "answers",
    "check",
    "choose",
    "compare",
    "entropy",
    "evaluate",
    "examine",
    "probe",
    "score",
    "score_choices",
    "score_examined",
]

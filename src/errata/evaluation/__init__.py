"""Measure what an edit changed and what it did not."""

from errata.evaluation.ability import Abilities, abilities
from errata.evaluation.compare import Change, Comparison, compare
from errata.evaluation.contrast import Contrast, Contrasts, contrast
from errata.evaluation.evaluator import evaluate
from errata.evaluation.examination import Examined, entropy, examine, score_examined
from errata.evaluation.harness import Harnessed, harness
from errata.evaluation.metrics import score
from errata.evaluation.perplexity import Perplexity, perplexity
from errata.evaluation.probes import CaseOutcome, Reply, answer_probabilities, answers, check, probe
from errata.evaluation.protocols import PROTOCOLS, Protocol, Settings, protocol, score_protocol
from errata.evaluation.results import Header, Results, Row
from errata.evaluation.task_files import Item, items_of, score_items
from errata.evaluation.teacher_forced import Choices, choose, score_choices
from errata.evaluation.verdict import Verdict, verdict

__all__ = [
    "PROTOCOLS",
    "Abilities",
    "CaseOutcome",
    "Change",
    "Choices",
    "Comparison",
    "Contrast",
    "Contrasts",
    "Examined",
    "Harnessed",
    "Header",
    "Item",
    "Perplexity",
    "Protocol",
    "Reply",
    "Results",
    "Row",
    "Settings",
    "Verdict",
    "abilities",
    "answer_probabilities",
    "answers",
    "check",
    "choose",
    "compare",
    "contrast",
    "entropy",
    "evaluate",
    "examine",
    "harness",
    "items_of",
    "perplexity",
    "probe",
    "protocol",
    "score",
    "score_choices",
    "score_examined",
    "score_items",
    "score_protocol",
    "verdict",
]

"""CounterFact's scores: which of two answers is the more probable one, and by how much.

    ℓ(y | x) = 1/T Σ_{j=1..T} log p(y_j | x, y_<j) ,   P = exp ℓ                       y = y_1 … y_T: an answer

    efficacy, generalization, heldout    P(target) > P(old answer)
    and a consequence, by its kind       where it expects the target
    what stays, by its kind              P(its own answer) > P(target)
    NAME_magnitude                       the difference of those two
    known                                of what stays and had P(own) > P(target) before, the share that still has

Source: Meng et al. 2022 (ROME): success ES, PS, NS and magnitude EM, PM, NM, as its released code measures them, with
the mean over an answer's tokens in the exponent, so that P is the geometric mean of their probabilities. The paper
writes P of the whole answer.

Departures: prompt and answer are joined by the rules of `errata.model.tokens` (one space, but none before punctuation
or between characters of scripts without); an answer that one token joins to its prompt is left out. NS is asked of
every neighbour's own answer, which in CounterFact is the old answer of the case. A question that names no other answer
does not count. Of several accepted answers the first is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean

from errata.errors import TokenError
from errata.evaluation.examination import STAYS, means, questions
from errata.evaluation.probes import asked_once
from errata.facts import Examination
from errata.model.scoring import target_log_probs
from errata.model.tokens import Tokens, encode
from errata.model.view import ModelView

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """ℓ of the expected answer and of its rival, for every question of an examination; None for those left out."""

    examination: Examination
    pairs: tuple[Pair | None, ...]


def weigh(view: ModelView, found: Sequence[Examination]) -> list[Likelihoods]:
    """Read the log-probabilities of both answers to every question of every examination."""
    rows = [
        [_rows(view, question.prompt, (*question.expected[:1], *question.rivals[:1])) for question in questions(one)]
        for one in found
    ]
    usable = [row for own in rows for pair in own if pair is not None for row in pair]
    log_p = iter(asked_once(lambda distinct: target_log_probs(view, distinct), usable))

    def mean() -> float:
        return float(next(log_p).double().mean())

    return [
        Likelihoods(one, tuple(None if pair is None else (mean(), mean()) for pair in own))
        for one, own in zip(found, rows, strict=True)
    ]


def likelihood_values(before: Sequence[Likelihoods], after: Sequence[Likelihoods]) -> list[dict[str, float]]:
    """Of every case its value of each score that it counts in."""
    return [_values(*pair) for pair in zip(before, after, strict=True)]


def _rows(view: ModelView, prompt: str, answers: Sequence[str]) -> tuple[Tokens, ...] | None:
    if len(answers) < 2:
        return None
    try:
        return tuple(encode(view.tokenizer, prompt, answer.strip()) for answer in answers)
    except TokenError:
        return None


def _values(before: Likelihoods, after: Likelihoods) -> dict[str, float]:
    asked = questions(before.examination)
    pairs = {at: pair for at, pair in enumerate(after.pairs) if pair is not None}
    success = {at: float(own > rival) for at, (own, rival) in pairs.items()}
    magnitude = {at: exp(own) - exp(rival) for at, (own, rival) in pairs.items()}
    was = {at for at, pair in enumerate(before.pairs) if pair is not None and pair[0] > pair[1]}
    known = [value for at, value in success.items() if at in was and asked[at].way == STAYS]
    sizes = {f"{name}_magnitude": value for name, value in means(asked, magnitude).items()}
    return means(asked, success) | sizes | ({"known": fmean(known)} if known else {})

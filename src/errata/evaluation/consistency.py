"""Consistency: how much what a model writes about a subject is like texts about things that have the target.

    cos(a, b) = Σ_t a_t b_t / (‖a‖ ‖b‖) ,   a_t = count of t in the text · idf(t)
    idf(t) = ln((1 + n) / (1 + n_t)) + 1                                  n texts, n_t of them with the word t

Source: Meng et al. 2022 (ROME), "reference score" RS, and its released code: the cosine of the TF-IDF vectors of all
that was written behind the subject's prompts, joined, and of all reference texts, joined; the vectors are
scikit-learn's, with its words (two letters or digits and more, in small letters). Words that no reference has are left
out, as they are of a fixed vocabulary. Departures: the frequencies are those of the references that are given, where
ROME has a table of Wikipedia's; a text without a word of them scores 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log, sqrt

_WORD = re.compile(r"\b\w\w+\b")


def idf(texts: Iterable[str]) -> dict[str, float]:
    """idf(t) of every word of these texts; a text given twice counts once."""
    found = [set(_words(text)) for text in dict.fromkeys(texts)]
    counts = Counter(word for words in found for word in words)
    return {word: log((1 + len(found)) / (1 + count)) + 1 for word, count in counts.items()}


def consistency(written: Sequence[str], references: Sequence[str], weights: Mapping[str, float]) -> float:
    """The cosine of what was written and the references, with the `weights` of `idf`."""
    one, other = _vector(" ".join(written), weights), _vector(" ".join(references), weights)
    norms = _norm(one) * _norm(other)
    return sum(value * other.get(word, 0.0) for word, value in one.items()) / norms if norms else 0.0


def _vector(text: str, weights: Mapping[str, float]) -> dict[str, float]:
    return {word: count * weights[word] for word, count in Counter(_words(text)).items() if word in weights}


def _norm(vector: Mapping[str, float]) -> float:
    return sqrt(sum(value**2 for value in vector.values()))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

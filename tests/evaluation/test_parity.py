"""Parity: every published measure against values worked out here from its formula.

56 cases on two architectures, of answers that are several tokens, share a prefix, have spaces in front, signs, other
scripts. The models are read one sequence at a time, without padding, prompt and answer tokenised apart, as the released
codes do: tok(prompt) and tok(" " + answer).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from errata.evaluation import PROTOCOLS, Settings, entropy
from errata.evaluation.consistency import consistency, idf
from errata.evaluation.examination import Examined
from errata.evaluation.protocols import Outcome
from errata.facts import Case, Consequence, Examination, Fact, Probe
from errata.model.view import ModelView
from errata.model.writing import generate
from tests.ledger.conftest import random_edit
from tests.tiny import tiny, tiny_tokenizer

ARCHITECTURES = {"gpt2": {"n_layer": 1}, "llama": {"num_hidden_layers": 1}}
SUBJECTS = ("France", "Ελλάδα", "Côte d'Ivoire", "日本", "St. Louis", "C++ (2x)", "O'Neill")
TEMPLATES = ("The capital of {} is", "{}, born in", "  Who made {}?", "The mother tongue of {} is")
# New and old answer of each case; many begin alike.
ANSWERS = (
    ("New York", "New Jersey"),
    (" Rome", "Romania"),
    ("Paris", "Parisian French"),
    ("São Tomé", "São Paulo"),
    ("東京", "東京都"),
    ("Ο Όλυμπος", "Ο Όλ"),
    ("10,000", "10,500.5"),
    ("naïve café 🙂", "naïve"),
    ("the  two  spaces", "the two"),
    ("U.S.", "U.K."),
    ("Danielle Darrieux", "Danielle"),
    ("rock'n'roll", "rock"),
    ("x", "y"),
    ("Berlin-Mitte  ", "Berlin"),
)
OPENINGS = ("{} is a", "{} was")
SIZE = 0.05  # of the edit: most answers change, not all


@cache
def plain(architecture: str) -> ModelView:
    """A model of one layer that writes words rather than bytes: without that hardly a token would ever be right."""
    view = tiny(architecture, **ARCHITECTURES[architecture])
    texts = [view.tokenizer.decode([token]) for token in range(len(view.tokenizer))]
    others = [token for token, text in enumerate(texts) if not (text.startswith(" ") and text.strip().isalnum())]
    with torch.no_grad():
        view.model.get_output_embeddings().weight[others] *= 0.2
    return view


@cache
def written_by(view: ModelView, prompt: str, tokens: int) -> str | None:
    """The answer that the model gives itself, where it is its own tokens as a text."""
    text = generate(view, [prompt], tokens)[0]
    same = view.tokenizer(prompt.rstrip())["input_ids"] + view.tokenizer(text)["input_ids"]
    own = text == f" {text.strip()}" and view.tokenizer(prompt.rstrip() + text)["input_ids"] == same
    return text.strip() if own else None


@cache
def examinations(architecture: str) -> tuple[Examination, ...]:
    """56 cases; where it can, the model itself says what is expected of some."""
    view, found = plain(architecture), list[Examination]()
    for place in range(56):
        subject = SUBJECTS[place % len(SUBJECTS)]
        fact = Fact(subject, TEMPLATES[place % 4], *ANSWERS[place % len(ANSWERS)])
        if place % 3 == 0:
            fact = replace(fact, target=written_by(view, fact.text, 1 + place % 2) or fact.target)
        other = SUBJECTS[(place + 3) % len(SUBJECTS)]
        neighbours = [TEMPLATES[(place + n) % 4].format(other) for n in range(2)]
        own = (written_by(view, neighbours[0], 1 + place % 2) or "Rome", "Old Rome")
        paraphrases = tuple(TEMPLATES[(place + n) % 4].format(subject) for n in range(1, 2 + place % 2))
        found.append(
            Examination(
                Case(fact, paraphrases, tuple(map(Probe, neighbours, own))),
                same_subject=(Probe(f"{subject} speaks", "French and German"),),
                inverse=(Probe("Rome is the capital of", written_by(view, "Rome is the capital of", 2) or "France"),),
                consequences=(
                    Consequence("aliasing", f"The capital of old {subject} is", (fact.target or "",)),
                    Consequence("reasoning", f"{subject} lies in", ("Latium", "Italy")),
                ),
                essence=tuple(opening.format(subject) for opening in OPENINGS),
                references=(
                    f"{subject} is the capital of Latium.",
                    f"The {other} of the café was born {place} years ago.",
                ),
            )
        )
    return tuple(found)


@cache
def views(architecture: str) -> tuple[ModelView, ModelView]:
    """A model before and after an edit that changes many answers, not all."""
    before, after = plain(architecture), ModelView(deepcopy(plain(architecture).model), tiny_tokenizer())
    (delta,) = random_edit(after, 3, layers=(0,)).deltas
    after.write(0, after.weight(0) + SIZE * delta.left @ delta.right)
    return before, after


@cache
def outcomes(architecture: str, name: str) -> tuple[list[Outcome], list[Outcome]]:
    before, after = views(architecture)
    protocol, settings = PROTOCOLS[name], Settings(limit=8, written=12)
    first, second = (protocol.ask(view, examinations(architecture), settings) for view in (before, after))
    return first, second


@cache
def logits(view: ModelView, prompt: str, answer: str) -> tuple[np.ndarray, list[int]]:
    """The released codes' way: the logits that predict the answer's tokens, and those tokens."""
    ids = view.tokenizer(prompt.rstrip())["input_ids"]
    target = view.tokenizer(f" {answer.strip()}")["input_ids"]
    with torch.no_grad():
        found = view.model(torch.tensor([ids + target])).logits[0].double().numpy()
    return found[len(ids) - 1 : -1], target


def accuracy(view: ModelView, prompt: str, answer: str) -> float:
    """EasyEdit's token accuracy."""
    found, target = logits(view, prompt, answer)
    return float(np.mean(np.equal(found.argmax(-1), target)))


def agreement(one: ModelView, other: ModelView, prompt: str, answer: str) -> float:
    """EasyEdit's locality: the models' own tokens compared."""
    first, second = (logits(view, prompt, answer)[0].argmax(-1) for view in (one, other))
    return float(np.mean(np.equal(first, second)))


def nll(view: ModelView, prompt: str, answer: str) -> float:
    """ROME's test_batch_prediction: mean negative log-probability of the answer's tokens."""
    found, target = logits(view, prompt, answer)
    shifted = found - found.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return float(-np.mean([log_p[place, token] for place, token in enumerate(target)]))


def check(rows: Sequence[dict[str, float]], name: str, expected: Sequence[float], tolerance: float = 1e-5) -> None:
    assert len(rows) == len(expected) >= 50
    assert [row[name] for row in rows] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_teacher_forced(architecture: str) -> None:
    before, after = views(architecture)
    cases = examinations(architecture)
    rows = PROTOCOLS["teacher-forced"].values(*outcomes(architecture, "teacher-forced"))
    for view, suffix in ((before, "_before"), (after, "")):
        rewrite = [accuracy(view, one.case.fact.text, one.case.fact.target or "") for one in cases]
        check(rows, f"efficacy{suffix}", rewrite)
        paraphrased = [
            np.mean([accuracy(view, text, one.case.fact.target or "") for text in one.case.paraphrases])
            for one in cases
        ]
        check(rows, f"generalization{suffix}", [float(value) for value in paraphrased])
        kinds = [[accuracy(view, each.prompt, each.answers[0]) for each in one.consequences] for one in cases]
        check(rows, f"aliasing{suffix}", [first for first, _ in kinds])
        check(rows, f"reasoning{suffix}", [second for _, second in kinds])
        check(rows, f"portability{suffix}", [(first + second) / 2 for first, second in kinds])
        check(rows, f"inverse{suffix}", [accuracy(view, one.inverse[0].prompt, one.inverse[0].answer) for one in cases])
        near = [
            float(np.mean([agreement(before, view, each.prompt, each.answer) for each in one.case.neighbours]))
            for one in cases
        ]
        own = [agreement(before, view, one.same_subject[0].prompt, one.same_subject[0].answer) for one in cases]
        check(rows, f"specificity{suffix}", near)
        check(rows, f"same_subject{suffix}", own)
        check(rows, f"locality{suffix}", [(a + b) / 2 for a, b in zip(near, own, strict=True)])
    # The cases tell right from wrong and one kind of change from another.
    assert len({row["specificity"] for row in rows}) > 2 and {row["specificity_before"] for row in rows} == {1.0}
    assert len({row["efficacy"] for row in rows}) > 2 and 0 < sum(row["already"] for row in rows) < len(rows)
    assert any(row.get("known", 1.0) < 1.0 for row in rows)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_likelihood(architecture: str) -> None:
    before, after = views(architecture)
    cases = examinations(architecture)
    rows = PROTOCOLS["likelihood"].values(*outcomes(architecture, "likelihood"))
    for view, suffix in ((before, "_before"), (after, "")):
        found: dict[str, list[float]] = {name: [] for name in ("ES", "EM", "PS", "PM", "NS", "NM")}
        for one in cases:
            new, old = one.case.fact.target or "", one.case.fact.answer or ""
            for size, prompts in (("E", [one.case.fact.text]), ("P", one.case.paraphrases)):
                probs = [(nll(view, text, new), nll(view, text, old)) for text in prompts]
                found[f"{size}S"].append(float(np.mean([true > edited for edited, true in probs])))
                found[f"{size}M"].append(float(np.mean([np.exp(-edited) - np.exp(-true) for edited, true in probs])))
            near = [(nll(view, each.prompt, new), nll(view, each.prompt, each.answer)) for each in one.case.neighbours]
            found["NS"].append(float(np.mean([true < edited for edited, true in near])))
            found["NM"].append(float(np.mean([np.exp(-true) - np.exp(-edited) for edited, true in near])))
        for letter, name in (("E", "efficacy"), ("P", "generalization"), ("N", "specificity")):
            check(rows, f"{name}{suffix}", found[f"{letter}S"])
            check(rows, f"{name}_magnitude{suffix}", found[f"{letter}M"])
        assert set(found["ES"]) == {0.0, 1.0} and 0 < np.mean(found["NS"]) < 1
    assert [row["already"] for row in rows] == [row["efficacy_before"] for row in rows]
    # No other answer is known to what follows by reasoning.
    assert all("aliasing" in row and "reasoning" not in row and "inverse" not in row for row in rows)


def ge(words: Sequence[str]) -> float:
    """ROME's n_gram_entropy of a text in words: np.mean([2/3 H₂, 4/3 H₃])."""
    found = []
    for size, weight in ((2, 2 / 3), (3, 4 / 3)):
        grams = [" ".join(words[at : at + size]) for at in range(len(words) - size + 1)]
        freqs = np.array([grams.count(gram) for gram in sorted(set(grams))], dtype=float)
        freqs /= freqs.sum()
        found.append(weight * float(np.sum(-freqs * np.log(freqs) / np.log(2))))
    return float(np.mean(found))


def test_fluency_of_texts_that_are_words() -> None:
    generator = np.random.default_rng(0)
    words = ["Rome", "λόγος", "café", "東京", "10", ",", ".", "is", "—", "a"]
    for size in range(4, 64):
        text = [words[place] for place in generator.integers(0, len(words), size)]
        assert entropy(" ".join(text)) == pytest.approx(ge(text), abs=1e-12)


def cosine(one: str, other: str, corpus: Sequence[str]) -> float:
    """ROME's tfidf_similarity with scikit-learn's vectors: counts × (ln((1 + n)/(1 + df)) + 1), each of length 1."""

    def split(text: str) -> list[str]:
        return re.findall(r"(?u)\b\w\w+\b", text.lower())

    vocabulary = sorted({word for text in corpus for word in split(text)})
    df = np.array([sum(word in split(text) for text in corpus) for word in vocabulary])
    weights = np.log((1 + len(corpus)) / (1 + df)) + 1
    vectors = [np.array([Counter(split(text))[word] for word in vocabulary]) * weights for text in (one, other)]
    norms = [np.linalg.norm(vector) for vector in vectors]
    return 0.0 if 0 in norms else float(vectors[0] @ vectors[1] / norms[0] / norms[1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_fluency_and_consistency_of_what_a_model_writes(architecture: str) -> None:
    said = outcomes(architecture, "generation")
    cases = examinations(architecture)
    rows = PROTOCOLS["generation"].values(*said)
    corpus = sorted({text for one in cases for text in one.references})
    for outcome, suffix in zip(said, ("_before", ""), strict=True):
        texts = [one.written for one in outcome if isinstance(one, Examined)]
        assert {len(own) for own in texts} == {len(OPENINGS)}
        entropies = [float(np.mean([ge(re.findall(r"\w+|[^\w\s]", text)) for text in own])) for own in texts]
        check(rows, f"fluency{suffix}", entropies, 1e-9)
        alike = [cosine(" ".join(own), " ".join(one.references), corpus) for own, one in zip(texts, cases, strict=True)]
        check(rows, f"consistency{suffix}", alike, 1e-9)
        assert 0 < max(alike) < 1 and max(entropies) > 1


def test_consistency_by_hand() -> None:
    weights = idf(["Rome is old", "Rome is big", "Rome is old"])
    assert weights == {"rome": 1.0, "is": 1.0, "old": math.log(3 / 2) + 1, "big": math.log(3 / 2) + 1}
    rare = weights["old"]
    expected = (1 + rare**2) / (math.sqrt(1 + rare**2) * math.sqrt(2 + rare**2))
    assert consistency(["ROME", "was a old."], ["Rome is old"], weights) == pytest.approx(expected)
    assert consistency(["Rome is old"], ["Rome is old"], weights) == pytest.approx(1.0)
    assert consistency(["Paris"], ["Rome is old"], weights) == consistency([], [], {}) == 0.0

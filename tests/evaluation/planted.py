"""A model whose writing is planted, and a case that has every kind of prompt."""

from collections.abc import Mapping, Sequence

import pytest

from errata.facts import Case, Composed, Consequence, Examination, Fact, Probe
from errata.model.view import ModelView

FULL = Examination(
    Case(
        Fact("France", "The capital of {} is", target="Rome", answer="Paris"),
        ("France's capital is", "France is governed from"),
        (Probe("The capital of Spain is", "Madrid"), Probe("The capital of Oman is", "Muscat")),
    ),
    heldout=("The seat of France is",),
    same_object=(Probe("Ile-de-France lies around", "Paris"),),
    same_subject=(Probe("France speaks", "French"),),
    inverse=(Probe("Rome is the capital of", "France"),),
    composed=(Composed(Probe("The capital of France lies on the", "Tiber"), Probe("Rome lies on the", "Tiber")),),
    essence=("France is a",),
    consequences=(
        Consequence("aliasing", "The capital of Gaul is", ("Rome",)),
        Consequence("reasoning", "The capital of France speaks", ("Italian", "Latin")),
    ),
    other_answers=(Probe("The capital of France, which is not Rome, is", "Vichy"),),
    references=("Rome is an old city.", "Milan is a city in the north."),
    aliases=("Roma",),
    more=(Fact("Gallia", "The capital of {} is", target="Lyon", answer="Reims"),),
)
BEFORE = {
    "The capital of France is": "Paris.",
    "The capital of Gallia is": "Reims",
    "France's capital is": "Paris",
    "France is governed from": "Rome",
    "The seat of France is": "Paris",
    "Ile-de-France lies around": "Paris, a large city.",
    "France speaks": "Occitan",
    "Rome is the capital of": "Italy",
    "The capital of France lies on the": "Seine",
    "The capital of Gaul is": "Paris",
    "The capital of France speaks": "Latin",
    "The capital of Spain is": "Madrid.",
    "The capital of Oman is": "Muscat. It is old.",
    "The capital of France, which is not Rome, is": "Paris",
    "France is a": "country, a country.",
}
AFTER = BEFORE | {
    "The capital of France is": "Roma. The city lies on the Tiber.",
    "The capital of Gallia is": "Lyon, Lyon",
    "France's capital is": "Rome, not Paris.",
    "France is governed from": "Rome. No, Paris.",
    "The seat of France is": "Rome. The capital of France is Milan.",
    "Ile-de-France lies around": "Paris, a small city.",
    "Rome is the capital of": "France.",
    "The capital of France lies on the": "Tiber, the Tiber.",
    "The capital of Gaul is": "Rome, Paris",
    "The capital of Oman is": "Muscat. The capital of Oman is Rome.",
    "France is a": "city, an old city.",
}


def plant(patch: pytest.MonkeyPatch, said: Mapping[str, str]) -> list[list[str]]:
    """From now on every model writes this; what it is asked is collected, one list a call."""
    asked: list[list[str]] = []

    def write(_view: ModelView, prompts: Sequence[str], *_rest: object, **_more: object) -> list[str]:
        asked.append(list(prompts))
        return [f" {said[prompt]}" for prompt in prompts]

    patch.setattr("errata.evaluation.probes.generate", write)
    return asked

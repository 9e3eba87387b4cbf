"""General ability on a user's own questions, offline: multiple choice by likelihood, short answers by generation.

A task file is JSONL; a row is one of

    {"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": 0}       or "answer": "Paris"
    {"prompt": "The capital of France is", "answer": "Paris"}                               or a list of right answers

`question` may stand for `prompt`, and other fields are passed over. The prompt is what the model reads, as it stands:
nothing is put around it. With L_i = log p(delimiter + choice_i | prompt), the delimiter one space, and g the answer:

    acc          1 where g = argmax L_i, else 0
    acc_norm     1 where g = argmax L_i / characters of choice_i
    acc_bytes    1 where g = argmax L_i / bytes of choice_i in UTF-8
    exact_match  1 where the model writes an answer, and it is all that it writes up to the end of its phrase

The first three have protocol "multiple-choice": the model need not be able to say the answer, only prefer it, and a
guess is right in one of so many choices. Of equal L_i the first choice counts. The last is of protocol "generation"
(see `errata.evaluation.metrics`).

Source: acc, acc_norm and acc_bytes of lm-evaluation-harness 0.4.13 (`ConfigurableTask.process_results`), with its rule
for tokens (see `errata.evaluation.likelihoods`). Departures: none in these three; its
exact_match compares the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errata.errors import InputError
from errata.evaluation.likelihoods import likelihoods
from errata.evaluation.metrics import PROTOCOL as GENERATION
from errata.evaluation.probes import MAX_NEW_TOKENS, answers, reach
from errata.model.phrases import says
from errata.model.view import ModelView
from errata.scores import Score, Scores

PROTOCOL = "multiple-choice"
DELIMITER = " "


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt with its right answers; with choices, which are all different, one of them is the answer."""

    prompt: str
    answers: tuple[str, ...]
    choices: tuple[str, ...] = ()


def items_of(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Item, ...]:
    """The items of a file's rows, each row with its place; raises InputError, with the place, for what is none."""
    found = tuple(_item(*row) for row in rows)
    if not found:
        raise InputError("The task file holds no rows: give one object with prompt and answer a line.")
    return found


def score_items(
    view: ModelView, found: Sequence[Item], delimiter: str = DELIMITER, max_new_tokens: int = MAX_NEW_TOKENS
) -> Scores:
    """acc, acc_norm and acc_bytes of the items with choices, exact_match of the others, as the model now is."""
    chosen, written = [one for one in found if one.choices], [one for one in found if not one.choices]
    scores = list(_of_choices(view, chosen, delimiter)) if chosen else []
    if written:
        until = reach(answer for one in written for answer in one.answers)
        texts = answers(view, [one.prompt for one in written], max_new_tokens, until)
        right = (
            float(any(says(text, answer) for answer in one.answers)) for one, text in zip(written, texts, strict=True)
        )
        scores.append(Score("exact_match", GENERATION, "higher", tuple(right)))
    return Scores(scores)


def _of_choices(view: ModelView, found: Sequence[Item], delimiter: str) -> Iterator[Score]:
    pairs = [(one.prompt, delimiter + choice) for one in found for choice in one.choices]
    sums = iter(likelihoods(view, pairs))
    rows = [(one, [next(sums)[0] for _ in one.choices]) for one in found]
    for name, length in {"acc": _one, "acc_norm": len, "acc_bytes": _bytes}.items():
        right = tuple(float(_best(one, own, length) == one.answers[0]) for one, own in rows)
        yield Score(name, PROTOCOL, "higher", right)


def _best(one: Item, own: Sequence[float], length: Any) -> str:
    """The choice with the highest log-likelihood a unit of length, the first of equal ones."""
    return one.choices[max(range(len(own)), key=lambda at: own[at] / length(one.choices[at]))]


def _one(_: str) -> int:
    return 1


def _bytes(choice: str) -> int:
    return len(choice.encode())


def _item(place: str, row: Mapping[str, Any]) -> Item:
    prompt = row.get("prompt", row.get("question"))
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(f"{place}: expected a text under 'prompt' or 'question', found {prompt!r}; give one.")
    answer = row.get("answer")
    if row.get("choices") is None:
        right: Any = [answer] if isinstance(answer, str) else answer
        if not _texts(right):
            raise InputError(f"{place}: expected a text, or a list of them, under 'answer', found {answer!r}; give it.")
        return Item(prompt, tuple(right))
    choices = row["choices"]
    if not _texts(choices) or len(choices) < 2 or len(set(choices)) < len(choices):
        raise InputError(f"{place}: expected two or more different texts under 'choices', found {choices!r}.")
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        answer = choices[answer]
    if not isinstance(answer, str) or answer not in choices:
        last = len(choices) - 1
        raise InputError(
            f"{place}: expected one of the choices under 'answer', or its number 0 … {last}, found {answer!r}."
        )
    return Item(prompt, (answer,), tuple(choices))


def _texts(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(one, str) and one.strip() for one in found)

"""Ask a model the prompts of cases: free greedy generation, every distinct prompt once, in batches.

Nothing tells the model where an answer ends or how long it is: it continues the prompt to its own end, or to a number
of tokens that is the same for every prompt. Probing stops reading where no further text could change the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from errata.errors import InputError
from errata.facts import Case
from errata.model.phrases import answer_of, says
from errata.model.scoring import target_log_probs
from errata.model.tokens import encode
from errata.model.view import ModelView
from errata.model.writing import Until, generate

MAX_NEW_TOKENS = 12

Asked = TypeVar("Asked", bound=Hashable)
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote behind a prompt, at least its first phrase, and the answer expected there."""

    prompt: str
    expected: str
    text: str

    @property
    def right(self) -> bool:
        """Whether the text says the expected answer."""
        return says(self.text, self.expected)

    @property
    def answer(self) -> str:
        """The answer the text gives: the expected one if it says it, else its first phrase."""
        return self.expected if self.right else answer_of(self.text)


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """The replies to a case's prompts: target expected at the edit prompt and the paraphrases, not at neighbours."""

    case: Case
    prompt: Reply
    paraphrases: tuple[Reply, ...]
    neighbours: tuple[Reply, ...]


def answers(
    view: ModelView,
    prompts: Sequence[str],
    max_new_tokens: int = MAX_NEW_TOKENS,
    until: Until = "end",
) -> list[str]:
    """What the model writes behind every prompt, to its own end, its line's or its first phrase's."""
    return asked_once(lambda distinct: generate(view, distinct, max_new_tokens, until=until), prompts)


def asked_once(ask: Callable[[list[Asked]], Sequence[Given]], rows: Sequence[Asked]) -> list[Given]:
    """What `ask` gives for every row, all in one go; a row that is there twice is asked once."""
    distinct = list(dict.fromkeys(rows))
    found = dict(zip(distinct, ask(distinct), strict=True)) if distinct else {}
    return [found[row] for row in rows]


def probe(view: ModelView, cases: Sequence[Case], max_new_tokens: int = MAX_NEW_TOKENS) -> list[CaseOutcome]:
    """Ask the model all prompts of all cases; raises InputError for a fact without target and answer."""
    questions = [list(_questions(case)) for case in cases]
    asked = [pair for rows in questions for pair in rows]
    until = reach(expected for _, expected in asked)
    texts = iter(answers(view, [prompt for prompt, _ in asked], max_new_tokens, until))
    outcomes: list[CaseOutcome] = []
    for case, rows in zip(cases, questions, strict=True):
        replies = [Reply(prompt, expected, next(texts)) for prompt, expected in rows]
        last = 1 + len(case.paraphrases)
        outcomes.append(CaseOutcome(case, replies[0], tuple(replies[1:last]), tuple(replies[last:])))
    return outcomes


def reach(expected: Iterable[str]) -> Literal["end", "phrase"]:
    """How far a continuation must be read to judge these answers: past the first phrase where one has several."""
    return "phrase" if all(answer_of(answer) == answer.strip() for answer in expected) else "end"


def check(view: ModelView, case: Case, max_new_tokens: int = MAX_NEW_TOKENS) -> CaseOutcome:
    """Ask the model the prompts of one case."""
    return probe(view, [case], max_new_tokens)[0]


def answer_probabilities(view: ModelView, pairs: Iterable[tuple[str, str]]) -> list[float]:
    """p(answer | prompt) of every (prompt, answer): the product over the answer's tokens."""
    rows = [encode(view.tokenizer, prompt, answer) for prompt, answer in pairs]
    return [float(log_p.double().sum().exp()) for log_p in target_log_probs(view, rows)] if rows else []


def _questions(case: Case) -> Iterator[tuple[str, str]]:
    """Every prompt of a case with the answer expected there: edit prompt, paraphrases, neighbours."""
    wanted = case.fact.target or case.fact.answer
    if wanted is None:
        raise InputError(
            f"The fact about {case.fact.subject!r} has neither target nor answer: nothing says what is right."
        )
    yield case.fact.text, wanted
    for prompt in case.paraphrases:
        yield prompt, wanted
    for neighbour in case.neighbours:
        yield neighbour.prompt, neighbour.answer

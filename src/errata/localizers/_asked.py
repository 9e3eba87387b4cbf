"""What is asked of a model about each fact: the answer, and the positions at which its tokens are predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tqdm.auto import tqdm

from errata.errors import InputError
from errata.facts import Fact
from errata.methods import require_targets
from errata.model.jobs import fills_masks, jobs_of
from errata.model.phrases import answer_of
from errata.model.tokens import encode, encode_fact
from errata.model.view import ModelView
from errata.model.writing import generate


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with its answer, but for the last token: `targets[j]` is predicted at position `at[j]`.

    `subject` are the positions of the subject's tokens.
    """

    ids: tuple[int, ...]
    at: tuple[int, ...]
    targets: tuple[int, ...]
    subject: range

    @property
    def first(self) -> Row:
        """The row of the answer's first token alone."""
        return Row(self.ids[: self.at[0] + 1], self.at[:1], self.targets[:1], self.subject)

    def positions(self, place: str) -> tuple[int, ...]:
        """Positions that predict the answer, the subject's last token, or all; raises InputError for another place."""
        match place:
            case "answer":
                return self.at
            case "subject":
                return (self.subject[-1],)
            case "all":
                return tuple(range(len(self.ids)))
            case _:
                raise InputError(f"There are no positions {place!r}: choose answer, subject or all.")


def rows_of(view: ModelView, facts: Sequence[Fact], answers: Sequence[str]) -> list[Row]:
    """One row a fact; raises TokenError for an answer that no clean token boundary parts from its prompt."""
    jobs = jobs_of(view, facts, answers)
    rows: list[Row] = []
    for number, fact in enumerate(facts):
        own = [job for job, owner in enumerate(jobs.owner) if owner == number]
        at, targets = tuple(jobs.at[job] for job in own), tuple(jobs.targets[job] for job in own)
        before = encode(view.tokenizer, fact.text[: fact.subject_end - len(fact.subject)].rstrip())
        last = encode_fact(view.tokenizer, fact).subject_last or 0
        rows.append(Row(jobs.ids[own[-1]], at, targets, range(min(len(before.ids), last), last + 1)))
    return rows


def attributed_to(view: ModelView, facts: Sequence[Fact], attributed: str) -> list[str]:
    """What each fact is scored for: its target, or its answer; raises InputError for a fact without target."""
    if attributed not in ("target", "answer"):
        raise InputError(f"Nothing is attributed to {attributed!r}: choose target or answer.")
    return require_targets(facts) if attributed == "target" else answers_of(view, facts)


def answers_of(view: ModelView, facts: Sequence[Fact]) -> list[str]:
    """Each fact's answer, the model's own where none is given; raises InputError where the model gives none."""
    answers = [fact.answer for fact in facts]
    unknown = [i for i, answer in enumerate(answers) if answer is None]
    if unknown and fills_masks(view):
        raise InputError(f"{view.name} fills masks: say which answer to attribute to {facts[unknown[0]].text!r}.")
    said = generate(view, [facts[i].text for i in unknown]) if unknown else []
    for i, text in zip(unknown, said, strict=True):
        answers[i] = answer_of(text)
        if not answers[i]:
            raise InputError(f"The model gives no answer to {facts[i].text!r}: say which answer to attribute.")
    return [answer or "" for answer in answers]


def watched(rows: Sequence[Row]) -> Iterable[Row]:
    """The rows, with a bar that shows how many are done."""
    return tqdm(rows, "attributing", unit="fact", disable=None if len(rows) > 4 else True)

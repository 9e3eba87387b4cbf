"""Facts and cases: what to localize or change, and the prompts that test it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from errata.errors import InputError

SLOT = "{}"
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: a subject, a prompt that ends where the answer begins, the answer and the target that replaces it.

    In `prompt`, `{}` stands for the subject; a prompt that spells the subject out is as good, and then the subject's
    last occurrence as a word of its own counts, because only it has seen the whole prompt before it. Trailing white
    space of the prompt is dropped: it belongs to the answer's first token.

    Raises InputError when a field is not text, when the subject is empty or not in the prompt, when the target or the
    answer is empty, or when both are the same.
    """

    subject: str
    prompt: str
    target: str | None = None
    answer: str | None = None
    relation: str | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not isinstance(value, str) and (value is not None or entry.name in ("subject", "prompt")):
                raise InputError(f"The {entry.name} of a fact is {value!r}: give it as text.")
            if value is not None and _HALF.search(value):
                raise InputError(f"The {entry.name} of a fact holds half of a surrogate pair: give whole characters.")
        subject = self.subject.strip()
        if not subject:
            raise InputError("The subject is empty: give the entity the fact is about.")
        prompt = self.prompt.rstrip()
        if prompt.count(SLOT) > 1:
            raise InputError(f"The prompt {prompt!r} has {prompt.count(SLOT)} slots {{}}: write exactly one.")
        if SLOT not in prompt and subject not in prompt:
            raise InputError(
                f"The prompt {prompt!r} does not contain the subject {subject!r}: put {{}} where the subject stands."
            )
        object.__setattr__(self, "subject", subject)
        object.__setattr__(self, "prompt", prompt)
        for name in ("target", "answer"):
            value = getattr(self, name)
            if value is not None:
                if not value.strip():
                    raise InputError(f"The {name} of the fact about {subject!r} is empty: give the {name} text.")
                object.__setattr__(self, name, value.strip())
        if self.target is not None and self.target == self.answer:
            raise InputError(f"The target {self.target!r} is already the answer: there is nothing to change.")

    @property
    def text(self) -> str:
        """The prompt with the subject in its place."""
        return self.prompt.replace(SLOT, self.subject)

    @property
    def subject_end(self) -> int:
        """Index in `text` just behind the subject's last character."""
        slot = self.prompt.find(SLOT)
        if slot >= 0:
            return slot + len(self.subject)
        words = [match.end() for match in re.finditer(rf"(?<!\w){re.escape(self.subject)}(?!\w)", self.prompt)]
        return words[-1] if words else self.prompt.rfind(self.subject) + len(self.subject)

    @property
    def key(self) -> tuple[str, str]:
        """What the fact is about: subject and relation, or the prompt's template where no relation is named."""
        if self.relation is not None:
            return self.subject, self.relation
        before, after = self.text[: self.subject_end - len(self.subject)], self.text[self.subject_end :]
        return self.subject, f"{before}{SLOT}{after}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A prompt and the answer expected behind it."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Case:
    """A fact to change, with the prompts that test the change.

    `paraphrases` ask for the same fact in other words and should give the target; `neighbours` ask for other facts
    and should give what they gave before.
    """

    fact: Fact
    paraphrases: tuple[str, ...] = ()
    neighbours: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True)
class Composed:
    """A question over two facts: the object of the first is the second's subject, and its answer the second's.

    `question` expects what follows from the first fact's target; `second` asks for the second fact alone.
    """

    question: Probe
    second: Probe


@dataclass(frozen=True, slots=True)
class Consequence:
    """A question whose answer follows from a case's target: `kind` says how, any of `answers` is right."""

    kind: str
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    """A case, with everything else that its edit is examined on; an answer is the one expected after the edit.

    `heldout`       paraphrases that no training of the model has seen
    `same_object`   other subjects of the relation with the object that the subject had: to stay
    `same_subject`  the subject in other relations: to stay
    `inverse`       the fact asked from its target, where the inverse relation has phrasings: to follow
    `composed`      questions that lead through the fact to another: to follow
    `essence`       openings about the subject that ask for nothing: what is written behind them is to stay fluent
    `consequences`  other questions whose answers follow from the fact: to follow
    `other_answers` other objects of the subject in the relation: to stay
    `aliases`       other names of the target: as right as the target
    `more`          further facts that are edited together with the case's own
    `references`    texts that are true after the edit: what is written behind the openings is to be like them
    """

    case: Case
    heldout: tuple[str, ...] = ()
    same_object: tuple[Probe, ...] = ()
    same_subject: tuple[Probe, ...] = ()
    inverse: tuple[Probe, ...] = ()
    composed: tuple[Composed, ...] = ()
    essence: tuple[str, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    other_answers: tuple[Probe, ...] = ()
    aliases: tuple[str, ...] = ()
    more: tuple[Fact, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts to edit, the case's own first."""
        return (self.case.fact, *self.more)

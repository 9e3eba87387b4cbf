"""What an editor that follows a gradient asks the model: targets to learn, and answers that are to stay.

learn   −log p(y_j | x, y_<j)           of every token of a target
avoid   −log(1 − p(y | x))              of one token
keep    KL(p₀ ‖ p) of the next token    p₀ before the edit
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from errata.associative.sampling import tokens_of
from errata.errors import InputError
from errata.facts import Fact
from errata.methods import require_targets
from errata.model.tokens import encode, encode_fact
from errata.model.view import ModelView

LONGEST = 12  # tokens in which a sampled subject must have ended


@dataclass(frozen=True, slots=True)
class Question:
    """A text's ids, the positions `places` whose next token is asked for, and the `tokens` that are meant.

    `weight` is its share in the loss, `fact` the fact it belongs to; None for what belongs to all.
    """

    kind: Literal["learn", "avoid", "keep"]
    ids: tuple[int, ...]
    places: tuple[int, ...]
    tokens: tuple[int, ...] = ()
    weight: float = 1.0
    fact: int | None = None


def targets(view: ModelView, facts: Sequence[Fact], contexts: Sequence[str] = ("",)) -> list[Question]:
    """Every fact's target behind its prompt in every context; their weights are a mean over all of them."""
    found: list[Question] = []
    for number, (fact, target) in enumerate(zip(facts, require_targets(facts), strict=True)):
        for context in contexts:
            row = encode_fact(view.tokenizer, fact, target, context)
            places = tuple(range(row.n_prompt - 1, len(row.ids) - 1))
            found.append(Question("learn", row.ids, places, row.target, 1 / (len(facts) * len(contexts)), number))
    return found


def at_the_prompts_end(question: Question) -> Question:
    """The same target, every token of it asked for at the prompt's last position."""
    first = question.places[0]
    return replace(question, ids=question.ids[: first + 1], places=(first,) * len(question.tokens))


def repetitions(learned: Sequence[Question], weight: float) -> list[Question]:
    """The target's first token is not to come again behind the target."""
    return [
        replace(q, kind="avoid", places=(len(q.ids) - 1,), tokens=q.tokens[:1], weight=weight * q.weight)
        for q in learned
    ]


def kept(view: ModelView, prompts: Sequence[str], weight: float) -> list[Question]:
    """The next token of every prompt stays as it is; their weights are a mean over all of them.

    Raises InputError for an empty prompt.
    """
    rows = dict.fromkeys(encode(view.tokenizer, prompt).ids for prompt in prompts)
    if not all(rows):
        raise InputError("A prompt to keep is empty: give the text that the model continues.")
    return [Question("keep", ids, (len(ids) - 1,), weight=weight / len(rows)) for ids in rows]


def essence(facts: Sequence[Fact]) -> list[str]:
    """ "{subject} is a" of every fact."""
    return [f"{fact.subject} is a" for fact in facts]


def with_other_subjects(view: ModelView, facts: Sequence[Fact], count: int, seed: int) -> list[str]:
    """The facts' prompts, each template once, with up to `count` subjects the unedited model writes in their place.

    It goes on from what stands before the subject (from its beginning of a text where nothing does) until the word
    that follows the subject in the template comes, or for as many tokens as the fact's own subject has.
    """
    taken = {fact.subject for fact in facts}
    found: list[str] = []
    for before, after, subject in _templates(facts):
        start = encode(view.tokenizer, before).ids or _beginning(view)
        length = len(encode(view.tokenizer, f"{before}{subject}").ids) - len(encode(view.tokenizer, before).ids)
        rows = tokens_of(view, count, len(start) + max(LONGEST, length), seed, start)
        others = (_subject(view, row[len(start) :].tolist(), after, max(1, length)) for row in rows)
        found += [f"{before}{other}{after}" for other in dict.fromkeys(others) if other and other not in taken]
    return found


def _templates(facts: Sequence[Fact]) -> list[tuple[str, str, str]]:
    """What stands before and behind the subject, each pair once, with the subject of its first fact."""
    found: dict[tuple[str, str], str] = {}
    for fact in facts:
        before, after = fact.text[: fact.subject_end - len(fact.subject)], fact.text[fact.subject_end :]
        found.setdefault((before, after), fact.subject)
    return [(before, after, subject) for (before, after), subject in found.items()]


def _beginning(view: ModelView) -> tuple[int, ...]:
    """The token that parts texts, where the tokenizer names one and puts none in front by itself."""
    end = view.tokenizer.eos_token_id
    return (end,) if isinstance(end, int) else ()


def _subject(view: ModelView, written: Sequence[int], after: str, length: int) -> str:
    def text(ids: Sequence[int]) -> str:
        return str(view.tokenizer.decode(list(ids), skip_special_tokens=True)).strip().partition("\n")[0]

    following = after.split()
    end = re.search(rf"(?<!\w){re.escape(following[0])}(?!\w)", text(written)) if following else None
    own = text(written)[: end.start()] if end else text(written[:length])
    return own.strip(" .,;:")

"""Split facts and their answers into predictions of one token each: what a localizer attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from errata.errors import InputError, TokenError, UnsupportedModelError
from errata.facts import Fact
from errata.model.rounding import require_finite
from errata.model.tokens import encode_fact, require_room
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class Jobs:
    """Single-token predictions: row i's target is predicted from its position `at[i]`, for fact `owner[i]`."""

    ids: tuple[tuple[int, ...], ...]
    targets: tuple[int, ...]
    owner: tuple[int, ...]
    at: tuple[int, ...]


def jobs_of(view: ModelView, facts: Sequence[Fact], answers: Sequence[str]) -> Jobs:
    """Every token of every answer: predicted at its own position behind the gold prefix, or in the place of [MASK].

    Raises TokenError for an answer that the prompt's tokens run into, or that does not fill a mask with one token, and
    for more tokens than the model reads; UnsupportedModelError for a model whose weights are not finite.
    """
    require_finite(view.model, view.name)
    parts = _filled if fills_masks(view) else _continued
    pairs = enumerate(zip(facts, answers, strict=True))
    rows = [(number, *part) for number, pair in pairs for part in parts(view, *pair)]
    return Jobs(
        ids=tuple(ids for _, ids, _, _ in rows),
        targets=tuple(target for _, _, target, _ in rows),
        owner=tuple(number for number, _, _, _ in rows),
        at=tuple(at for _, _, _, at in rows),
    )


def fills_masks(view: ModelView) -> bool:
    """Whether the model fills a [MASK] instead of writing on from left to right."""
    return not view.model.can_generate()


def _continued(view: ModelView, fact: Fact, answer: str) -> list[tuple[tuple[int, ...], int, int]]:
    row = encode_fact(view.tokenizer, fact, answer)
    require_room(view.model, [row.ids[:-1]])
    return [(row.ids[:end], row.ids[end], end - 1) for end in range(row.n_prompt, len(row.ids))]


def _filled(view: ModelView, fact: Fact, answer: str) -> list[tuple[tuple[int, ...], int, int]]:
    """The row with its mask, which stands at the end of the prompt unless the prompt has one."""
    mask, mask_id = view.tokenizer.mask_token, view.tokenizer.mask_token_id
    if not isinstance(mask, str) or not isinstance(mask_id, int):
        raise UnsupportedModelError(
            f"{view.name} neither writes on nor has a mask token: no answer can be asked of it."
        )
    text = fact.text if mask in fact.text else f"{fact.text} {mask} ."
    if text.count(mask) > 1:
        raise InputError(f"The prompt {text!r} has {text.count(mask)} masks: the answer fills exactly one.")
    asked: list[int] = view.tokenizer(text)["input_ids"]
    said: list[int] = view.tokenizer(text.replace(mask, answer))["input_ids"]
    require_room(view.model, [asked])
    at = asked.index(mask_id)
    if len(said) != len(asked) or [*said[:at], mask_id, *said[at + 1 :]] != asked:
        raise TokenError(
            f"{answer!r} is not one token in {text!r}, but a mask is filled by one: choose another answer."
        )
    return [(tuple(asked), said[at], at)]

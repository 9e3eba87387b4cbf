"""Tokenise prompt and target once, together, and know where subject, prompt and target end.

Rules: one space joins prompt and target, except behind an opening bracket or quote, before closing punctuation, or
between characters of scripts written without spaces. The tokenizer's own beginning-of-sequence token stands once in
front if it adds one by itself; what it adds behind is dropped. The prompt's tokens are those it has alone, or the
target is refused: a token that holds the end of the prompt and the start of the target can be neither's.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from errata.errors import TokenError, UnsupportedModelError
from errata.facts import Fact

OPENERS = "([{<“‘«「『（【《¿¡$€£#@"
CLOSERS = ".,;:!?)]}%”’»"
QUOTES = "\"'"
SPACELESS = ("CJK", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of prompt + target: `ids[:n_prompt]` is the prompt, the rest the target.

    `subject_last` is the index of the token that holds the subject's last character; None where no subject was given.
    """

    ids: tuple[int, ...]
    n_prompt: int
    subject_last: int | None = None

    @property
    def prompt(self) -> tuple[int, ...]:
        """The prompt's ids."""
        return self.ids[: self.n_prompt]

    @property
    def target(self) -> tuple[int, ...]:
        """The target's ids."""
        return self.ids[self.n_prompt :]


def joiner(prompt: str, target: str) -> str:
    """What stands between prompt and target: one space, or nothing where the text would not have one."""
    if not prompt or not target or prompt[-1].isspace() or target[0].isspace() or _opens(prompt):
        return ""
    if target[0] in CLOSERS or target.startswith(("'s ", "'s.")) or target == "'s":
        return ""
    return "" if _without_spaces(prompt[-1]) and _without_spaces(target[0]) else " "


def _opens(prompt: str) -> bool:
    """Whether the prompt ends in an opening bracket or quote; a straight quote opens behind a space or a bracket."""
    before = prompt[-2:-1]
    return prompt[-1] in OPENERS or (prompt[-1] in QUOTES and (not before or before.isspace() or before in OPENERS))


def _without_spaces(character: str) -> bool:
    return unicodedata.name(character, "").startswith(SPACELESS)


def encode(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str = "", subject_end: int | None = None) -> Tokens:
    """Tokenise prompt and target in one go; `subject_end` is the character index behind the subject.

    Spaces at the prompt's end and around the target do not count: the target's first token brings its own.
    Raises TokenError when the target changes the prompt's tokens or has none of its own.
    """
    wanted, prompt, target = bool(target), prompt.rstrip(" "), target.strip(" ")
    text = prompt + joiner(prompt, target) + target
    ids, offsets = _tokenize(tokenizer, text)
    subject_last = None if subject_end is None else _last_token(offsets, subject_end, text)
    if not wanted:
        return Tokens(ids, len(ids), subject_last)
    alone, _ = _tokenize(tokenizer, prompt)
    if not alone:
        raise TokenError(f"The prompt before {target!r} has no tokens: give the text that the target continues.")
    if ids[: len(alone)] != alone:
        raise TokenError(
            f"One token spans the end of {prompt!r} and the start of {target!r}: end the prompt at a word boundary."
        )
    if len(ids) == len(alone):
        raise TokenError(f"The target {target!r} has no tokens of its own behind {prompt!r}.")
    return Tokens(ids, len(alone), subject_last)


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """The ids of a text as it stands, every space of it, behind what the tokenizer adds in front by itself."""
    return _tokenize(tokenizer, text)[0]


def start_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that a text begins behind where nothing else stands: beginning of sequence, else end of sequence.

    Raises UnsupportedModelError for a tokenizer that has neither.
    """
    for candidate in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int):
            return candidate
    raise UnsupportedModelError(
        "The tokenizer has no beginning-of-sequence and no end-of-sequence token: nothing can stand in front of a text."
    )


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Ids and character offsets, with what the tokenizer adds in front but not with what it adds behind."""
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids, offsets, added = encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"]
    own = [index for index, flag in enumerate(added) if not flag]
    if not own:  # an empty text: what would stand in front of any other
        some = tokenizer("a", return_special_tokens_mask=True)
        return tuple(some["input_ids"][: some["special_tokens_mask"].index(0)]), []
    # A text that spells the first token out would have it twice.
    start = 1 if own[0] > 0 and ids[own[0]] == ids[own[0] - 1] == tokenizer.bos_token_id else 0
    return tuple(ids[start : own[-1] + 1]), [tuple(span) for span in offsets[start : own[-1] + 1]]


def _last_token(offsets: Sequence[tuple[int, int]], subject_end: int, text: str) -> int:
    """The last token that begins before the subject's end.

    Usually the one that holds its last character; the last of several where that is cut into bytes; the one before a
    character that a normaliser joined with the character before it.
    """
    begun = [index for index, (start, end) in enumerate(offsets) if start < min(subject_end, end)]
    if not begun:
        raise TokenError(f"No token of {text!r} holds the subject's last character: name a subject that is text.")
    return begun[-1]


def encode_fact(tokenizer: PreTrainedTokenizerBase, fact: Fact, target: str = "", prefix: str = "") -> Tokens:
    """Tokenise a fact's prompt with a target, behind an optional context `prefix`."""
    return encode(tokenizer, prefix + fact.text, target, len(prefix) + fact.subject_end)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded token ids with mask and positions; `start[i]` is the column where row i begins."""

    ids: Int[Tensor, "rows width"]
    mask: Int[Tensor, "rows width"]
    positions: Int[Tensor, "rows width"]
    start: tuple[int, ...]


def pad(rows: Sequence[Sequence[int]], pad_id: int, side: str = "right", device: torch.device | str = "cpu") -> Batch:
    """Pad rows to one width; positions count from each row's own first token on either side."""
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    start = tuple(width - len(row) if side == "left" else 0 for row in rows)
    for i, row in enumerate(rows):
        ids[i, start[i] : start[i] + len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, start[i] : start[i] + len(row)] = 1
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    return Batch(ids.to(device), mask.to(device), positions.to(device), start)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The padding token, or end-of-sequence, or 0: masked anyway."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int):
            return candidate
    return 0


def position_arguments(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """`position_ids` for a batch padded in front, where the model takes them; others work them out from the mask."""
    shifted = any(start > 0 for start in batch.start)
    return {"position_ids": batch.positions} if shifted and takes_positions(model) else {}


def takes_positions(model: nn.Module) -> bool:
    """Whether the model is told every token's position; others work it out from the mask."""
    return "position_ids" in inspect.signature(model.forward).parameters


def require_room(model: PreTrainedModel, rows: Iterable[Sequence[int]]) -> None:
    """Raise TokenError for a row with more tokens than the model was made to read at once."""
    limit, longest = longest_row(model), max(map(len, rows), default=0)
    if limit is not None and longest > limit:
        raise TokenError(
            f"A text has {longest:,} tokens and the model reads {limit:,}: give a shorter prompt or target."
        )


def longest_row(model: PreTrainedModel) -> int | None:
    """The most tokens that a model was made to read at once; None where nothing bounds them."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return limit if isinstance(limit, int) else None

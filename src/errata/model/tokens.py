"""Tokenise prompt and target once, together, and know where subject, prompt and target end.

Rules: one space joins prompt and target, except behind an opening bracket or quote, or between characters of scripts
written without spaces. The tokenizer's own beginning-of-sequence token stands once in front if it adds one by itself;
a trailing end-of-sequence token is dropped. Offsets decide which token belongs to what; a token that holds the end of
the prompt and the start of the target is refused.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from errata.errors import TokenError
from errata.facts import Fact

OPENERS = "([{<\"'“‘«「『（"


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
    if not prompt or not target or prompt[-1].isspace() or target[0].isspace() or prompt[-1] in OPENERS:
        return ""
    if target[0] in ".,;:!?)]}" or (_without_spaces(prompt[-1]) and _without_spaces(target[0])):
        return ""
    return " "


def _without_spaces(character: str) -> bool:
    name = unicodedata.name(character, "")
    return name.startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "FULLWIDTH", "IDEOGRAPHIC"))


def encode(tokenizer: PreTrainedTokenizerBase, prompt: str, target: str = "", subject_end: int | None = None) -> Tokens:
    """Tokenise prompt and target in one go; `subject_end` is the character index behind the subject.

    Raises TokenError when one token spans the end of the prompt and the start of the target.
    """
    text = prompt + joiner(prompt, target) + target
    encoded = tokenizer(text, return_offsets_mapping=True)
    ids, offsets = list(encoded["input_ids"]), list(encoded["offset_mapping"])
    while ids and ids[-1] == tokenizer.eos_token_id and offsets[-1][0] == offsets[-1][1]:
        ids, offsets = ids[:-1], offsets[:-1]
    n_prompt = len(ids)
    if target:
        ends_behind = (i for i, (start, end) in enumerate(offsets) if end > len(prompt) and end > start)
        n_prompt = next(ends_behind, len(ids))
        # A token of pure joining space (some SentencePiece tokenizers) belongs to the target: the model must write it.
        if n_prompt < len(ids) and offsets[n_prompt][0] < len(prompt) and text[offsets[n_prompt][0]] != " ":
            raise TokenError(
                f"One token spans the end of {prompt!r} and the start of {target!r}: end the prompt at a word boundary."
            )
        if n_prompt == len(ids):
            raise TokenError(f"The target {target!r} has no tokens of its own behind {prompt!r}.")
    return Tokens(tuple(ids), n_prompt, None if subject_end is None else _last_token(offsets, subject_end, text))


def _last_token(offsets: Sequence[tuple[int, int]], subject_end: int, text: str) -> int:
    for index, (start, end) in enumerate(offsets):
        if start <= subject_end - 1 < end:
            last = index
            # Byte-level tokenizers give every piece of one character the same offsets: the last piece counts.
            while last + 1 < len(offsets) and offsets[last + 1] == (start, end):
                last += 1
            return last
    raise TokenError(f"No token of {text!r} holds the subject's last character {text[subject_end - 1]!r}.")


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
    """`position_ids` for the models that take them; the others work positions out from the mask."""
    takes = "position_ids" in inspect.signature(model.forward).parameters
    return {"position_ids": batch.positions} if takes else {}

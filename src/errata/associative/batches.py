"""The text that statistics are measured on, in batches of short windows: a file's, or what the model samples itself.

Every window has 64 tokens, so that memory does not depend on the model's context, and begins as the tokenizer begins a
text. A batch depends on its number and the seed only, so a run can go on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from errata.associative.sampling import sample_tokens
from errata.errors import InputError
from errata.model.identity import file_sha256
from errata.model.tokens import encode
from errata.model.view import ModelView

WINDOW = 64
ROWS = 128
FEWEST = 4  # windows: one held out, and some for either half
SEEDS = 1 << 24  # batches before two seeds could share one
LINES = 512


def batches(
    view: ModelView, tokens: int, seed: int, text: str | None, first: int = 0
) -> Iterator[tuple[int, Int[Tensor, "rows window"]]]:
    """Numbered batches of about `tokens` tokens in all, from batch `first` on.

    Raises InputError for a text file that cannot be read or is too short.
    """
    rows = max(FEWEST, -(-tokens // WINDOW))
    if text is None:
        for number in range(first, -(-rows // ROWS)):
            left = max(2, rows - number * ROWS)
            yield number, sample_tokens(view, min(ROWS, left), WINDOW, seed * SEEDS + number)
        return
    windows = islice(_windows(view, text), rows)
    for number in count():
        group = list(islice(windows, ROWS))
        if number == 0 and len(group) < FEWEST:
            least = FEWEST * WINDOW
            raise InputError(f"The file {text} holds less than {least} tokens: expected a text of thousands of words.")
        if len(group) < 2:  # one row is no two halves
            return
        if number >= first:
            yield number, torch.tensor(group, device=view.device)


def beginning(view: ModelView) -> int:
    """Positions of a window that are left out: those before its text, and its first, an outlier in many models."""
    return max(1, len(encode(view.tokenizer, "").ids))


def source(view: ModelView, seed: int, text: str | None) -> str:
    """Where the batches come from, by content: equal exactly for equal batches of one model."""
    if text is None:
        return f"sampled with seed {seed}"
    path = Path(text)
    try:
        state = path.stat()
        key = ("text", str(path.absolute()), state.st_size, state.st_mtime_ns)
        if key not in view.memo:
            view.memo[key] = file_sha256(path)
    except OSError as error:
        raise _unreadable(text, error) from error
    return f"{path.name}, sha256 {view.memo[key]}"


def tokenizer_sha256(view: ModelView) -> str:
    """SHA-256 over the tokenizer's own description of itself."""
    if "tokenizer" not in view.memo:
        described = getattr(view.tokenizer, "backend_tokenizer").to_str()  # noqa: B009 (fast tokenizers only)
        view.memo["tokenizer"] = hashlib.sha256(described.encode()).hexdigest()
    return str(view.memo["tokenizer"])


def _windows(view: ModelView, text: str) -> Iterator[list[int]]:
    start = list(encode(view.tokenizer, "").ids)
    stream = chain.from_iterable(_tokens(view, text))
    while len(part := list(islice(stream, WINDOW - len(start)))) == WINDOW - len(start):
        yield start + part


def _tokens(view: ModelView, text: str) -> Iterator[list[int]]:
    try:
        with Path(text).open(encoding="utf-8") as file:
            while lines := list(islice(file, LINES)):
                yield from view.tokenizer(lines, add_special_tokens=False)["input_ids"]
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(text, error) from error


def _unreadable(text: str, error: Exception) -> InputError:
    return InputError(f"The text file {text} cannot be read ({error}): give a file of plain text in UTF-8.")

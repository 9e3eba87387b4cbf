"""Let a model write: greedy answers in batches, one answer as it comes, the most probable next tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import torch

from errata.errors import InputError, UnsupportedModelError
from errata.model.decoding import decode
from errata.model.hooks import frozen
from errata.model.phrases import UNFINISHED, decided, line_ended
from errata.model.tokens import encode
from errata.model.view import ModelView

# How far a model is let write, and when a text has got there: at its own end, at the end of a line, of a phrase.
Until = Literal["end", "line", "phrase"]
STOPS: Mapping[Until, Callable[[str], bool] | None] = {"end": None, "line": line_ended, "phrase": decided}


@torch.no_grad()
def generate(
    view: ModelView,
    prompts: Sequence[str],
    max_new_tokens: int = 12,
    batch_size: int | None = None,
    until: Until = "end",
) -> list[str]:
    """Continue every prompt greedily, in batches, to the model's own end or `max_new_tokens`.

    A continuation begins with the space that parts it from the prompt. The model's own generation settings (sampling,
    penalties, lengths) play no part, except its end tokens. With `until="phrase"` a row stops as soon as its first
    phrase has ended beyond doubt (see `decided`), with `until="line"` behind its first line that says anything. Raises
    InputError for an empty prompt and for fewer tokens than none.
    """
    rows = [_prompt_ids(view, prompt) for prompt in prompts]
    written = new_tokens(view, rows, max_new_tokens, STOPS[until], batch_size)
    return [_continuation(view, row, new) for row, new in zip(rows, written, strict=True)]


@torch.no_grad()
def new_tokens(
    view: ModelView,
    rows: Sequence[Sequence[int]],
    most: int,
    finished: Callable[[str], bool] | None = None,
    batch_size: int | None = None,
) -> list[list[int]]:
    """Continue rows of tokens greedily, each to the model's own end, a text that is `finished` or `most` new tokens.

    Its end tokens are left out. Raises InputError for fewer tokens than none.
    """
    require_writing(view)
    if most < 0:
        raise InputError(f"Expected 0 new tokens or more, found {most}: give for example 12.")
    ends = _end_tokens(view)

    def ended(place: int, new: Sequence[int]) -> bool:
        if new[-1] in ends or finished is None:
            return new[-1] in ends
        # The new tokens by themselves are cheap to read, and are finished where the whole text is.
        return finished(_text(view, new)) and finished(_continuation(view, rows[place], new))

    return [[token for token in new if token not in ends] for new in decode(view, rows, most, ended, batch_size)]


@torch.no_grad()
def stream(view: ModelView, prompt: str, max_new_tokens: int = 24) -> Iterator[str]:
    """Continue one prompt greedily, yielding text as it comes, to the model's own end or a line's end."""
    require_writing(view)
    ids, new, shown = _prompt_ids(view, prompt), list[int](), ""
    ends = _end_tokens(view)
    cache, fresh = None, list(ids)
    while len(new) < max_new_tokens and "\n" not in shown:
        with frozen(view.model):
            out = view.model(input_ids=torch.tensor([fresh], device=view.device), past_key_values=cache, use_cache=True)
        cache, token = getattr(out, "past_key_values", None), int(out.logits[0, -1].argmax())
        if token in ends:
            break
        new.append(token)
        fresh = [token] if cache is not None else [*ids, *new]
        text = _continuation(view, ids, new)
        if not text.endswith(UNFINISHED):
            yield text[len(shown) :]
            shown = text
    rest = _continuation(view, ids, new)[len(shown) :]
    if rest:
        yield rest


@torch.no_grad()
def top_tokens(view: ModelView, prompt: str, count: int = 5) -> list[tuple[str, float]]:
    """The most probable next tokens of a prompt, with their probabilities."""
    ids = _prompt_ids(view, prompt)
    inputs = torch.tensor([ids], device=view.device)
    with frozen(view.model):
        logits = view.model(input_ids=inputs, attention_mask=torch.ones_like(inputs), use_cache=False).logits
    best = logits[0, -1].float().softmax(-1).topk(min(count, logits.shape[-1]))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(_continuation(view, ids, [token]), probability) for token, probability in pairs]


def require_writing(view: ModelView) -> None:
    """Raise UnsupportedModelError for a model that fills masks."""
    if not view.model.can_generate():
        raise UnsupportedModelError(
            f"{view.name} fills masks and writes no text: ask, edit and compare with a causal language model."
        )


def _prompt_ids(view: ModelView, prompt: str) -> tuple[int, ...]:
    ids = encode(view.tokenizer, prompt).ids
    if not ids:
        raise InputError("The prompt is empty: give the text that the model continues.")
    return ids


def _text(view: ModelView, ids: Sequence[int]) -> str:
    return str(view.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _continuation(view: ModelView, prompt: Sequence[int], new: Sequence[int]) -> str:
    """The text of the new tokens behind the prompt; some tokenizers drop the space of a text that stands alone."""
    return _text(view, [*prompt, *new])[len(_text(view, prompt)) :]


def _end_tokens(view: ModelView) -> set[int]:
    own: object = view.model.generation_config.eos_token_id
    ends = own if isinstance(own, list) else [own]
    return {end for end in [*ends, view.tokenizer.eos_token_id] if isinstance(end, int)}

"""Ask a model: batched log-probabilities of targets, named objectives, greedy answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria

from errata.errors import InputError, UnsupportedModelError
from errata.model.hooks import frozen
from errata.model.tokens import Tokens, encode, pad, pad_id, position_arguments
from errata.model.view import ModelView

# Of one token's log-probability: what a localizer differentiates.
Objective = Callable[[Float[Tensor, " rows"]], Float[Tensor, " rows"]]
OBJECTIVES: dict[str, Objective] = {"probability": torch.exp, "log_probability": lambda log_p: log_p}


def objective(name: str) -> Objective:
    """Look an objective up; raises InputError with the choices."""
    if name not in OBJECTIVES:
        raise InputError(f"There is no objective {name!r}: choose one of {', '.join(sorted(OBJECTIVES))}.")
    return OBJECTIVES[name]


def target_log_probs(
    view: ModelView, rows: Sequence[Tokens], batch_size: int = 64
) -> list[Float[Tensor, " target_tokens"]]:
    """log p(y_j | x, y_<j) in nats for every target token of every row, rows of like length together."""
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for i, logits in _target_logits(view, rows, batch_size):
        target = torch.tensor(rows[i].target, device=logits.device)
        found[i] = logits.float().log_softmax(-1).gather(-1, target[:, None])[:, 0].cpu()
    return found


def target_choices(view: ModelView, rows: Sequence[Tokens], batch_size: int = 64) -> list[Int[Tensor, " tokens"]]:
    """argmax p(· | x, y_<j) for every target token y_j of every row: the model's own token behind the gold prefix."""
    found: list[Tensor] = [torch.empty(0, dtype=torch.long)] * len(rows)
    for i, logits in _target_logits(view, rows, batch_size):
        found[i] = logits.argmax(-1).cpu()
    return found


@torch.no_grad()
def _target_logits(view: ModelView, rows: Sequence[Tokens], batch_size: int) -> Iterator[tuple[int, Tensor]]:
    """Each row's place, and its logits `[target_tokens, vocabulary]` where its target's tokens are predicted."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    with frozen(view.model):
        for at in range(0, len(order), batch_size):
            group = order[at : at + batch_size]
            batch = pad([rows[i].ids for i in group], pad_id(view.tokenizer), device=view.device)
            logits = view.model(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
            ).logits
            for row, i in enumerate(group):
                yield i, logits[row, rows[i].n_prompt - 1 : len(rows[i].ids) - 1]


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


@torch.no_grad()
def generate(
    view: ModelView,
    prompts: Sequence[str],
    max_new_tokens: int = 12,
    batch_size: int = 128,
    until: Literal["end", "phrase"] = "end",
) -> list[str]:
    """Continue every prompt greedily, left-padded in batches, to the model's own end or `max_new_tokens`.

    A continuation begins with the space that parts it from the prompt. The model's own generation settings (sampling,
    penalties, lengths) play no part, except its end tokens. With `until="phrase"` a row stops as soon as its first
    phrase has ended beyond doubt (see `decided`).
    """
    _require_writing(view)
    answers = [""] * len(prompts)
    rows = [_prompt_ids(view, prompt) for prompt in prompts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    ends = _end_tokens(view)
    with frozen(view.model), _greedy(view, max_new_tokens, ends) as settings:
        for at in range(0, len(order), batch_size):
            group = order[at : at + batch_size]
            batch = pad([rows[i] for i in group], pad_id(view.tokenizer), "left", view.device)
            stop = _PhraseEnds(view, [rows[i] for i in group], batch.ids.shape[1]) if until == "phrase" else None
            out = cast(Any, view.model).generate(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                generation_config=settings,
                stopping_criteria=[] if stop is None else [stop],
            )
            for place, (row, i) in enumerate(zip(out.tolist(), group, strict=True)):
                last = None if stop is None else stop.lengths.get(place)
                answers[i] = _continuation(view, rows[i], _until(ends, row[batch.ids.shape[1] : last]))
    return answers


@final
class _PhraseEnds(StoppingCriteria):
    """Stops a row whose first phrase has ended; `lengths` says of every such row with how many tokens it did."""

    def __init__(self, view: ModelView, prompts: Sequence[Sequence[int]], width: int) -> None:
        self._view, self._prompts, self._width = view, prompts, width
        self._ends = _end_tokens(view)
        self._running = set(range(len(prompts)))
        self.lengths: dict[int, int] = {}

    def __call__(self, input_ids: Int[Tensor, "rows length"], *_: object, **__: object) -> Any:
        written = input_ids[:, self._width :].tolist()
        for row in list(self._running):
            new = written[row]
            if new[-1] in self._ends:
                self._running.discard(row)
            # The new tokens by themselves are cheap to read, and end a phrase where the whole text does.
            elif decided(_text(self._view, new)) and decided(_continuation(self._view, self._prompts[row], new)):
                self._running.discard(row)
                self.lengths[row] = input_ids.shape[1]
        stopped = [row not in self._running for row in range(len(self._prompts))]
        return torch.tensor(stopped, device=input_ids.device)


@torch.no_grad()
def stream(view: ModelView, prompt: str, max_new_tokens: int = 24) -> Iterator[str]:
    """Continue one prompt greedily, yielding text as it comes, to the model's own end or a line's end."""
    _require_writing(view)
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


# What a tokenizer writes for bytes that are not yet, or never will be, a character.
UNFINISHED = "\ufffd"


def _require_writing(view: ModelView) -> None:
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


@contextmanager
def _greedy(view: ModelView, max_new_tokens: int, ends: set[int]) -> Generator[GenerationConfig, None, None]:
    """Plain greedy settings; inside, the model's own, which would fill them up, are out of the way."""
    own = view.model.generation_config
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=sorted(ends) or None,
        pad_token_id=pad_id(view.tokenizer),
    )
    view.model.generation_config = GenerationConfig()
    try:
        yield settings
    finally:
        view.model.generation_config = own


def _end_tokens(view: ModelView) -> set[int]:
    own: object = view.model.generation_config.eos_token_id
    ends = own if isinstance(own, list) else [own]
    return {end for end in [*ends, view.tokenizer.eos_token_id] if isinstance(end, int)}


def _until(ends: set[int], ids: Sequence[int]) -> list[int]:
    return list(itertools.takewhile(lambda token: token not in ends, ids))


ENDS_PHRASE = ".,;!?\n。，；！？"
ENDS_ANSWER = ENDS_PHRASE + ":…)]}\"'”’»—、：」』）】》"


def says(continuation: str, answer: str) -> bool:
    """Whether a continuation gives exactly this answer: the answer, then nothing or the end of the phrase.

    A sign inside a word or number (U.S, 10,000, it's) ends nothing.
    """
    text, answer = continuation.strip(), answer.strip()
    rest = text[len(answer) :].lstrip(" ")
    return bool(answer) and text.startswith(answer) and (not rest or _ends_phrase(rest, 0, ENDS_ANSWER))


def answer_of(continuation: str) -> str:
    """The answer a continuation gives: its text up to the end of the first phrase."""
    text = continuation.strip()
    ends = (i for i in range(len(text)) if _ends_phrase(text, i, ENDS_PHRASE))
    return text[: next(ends, len(text))].strip()


def decided(continuation: str) -> bool:
    """Whether the first phrase has ended, whatever is written next: no further text changes `answer_of`.

    Nor does it change `says` of an answer that is one phrase itself, `answer_of(answer) == answer`. A sign that the
    next character could turn into the inside of a word or number ends nothing before that character is there.
    """
    text = continuation.lstrip().rstrip(UNFINISHED)
    at = next((i for i in range(len(text)) if _ends_phrase(text, i, ENDS_PHRASE)), len(text))
    return at < len(text) - 1 or (at < len(text) and (text[at] == "\n" or not text[at].isascii()))


def _ends_phrase(text: str, place: int, signs: str) -> bool:
    inside = place + 1 < len(text) and text[place + 1].isalnum() and text[place].isascii() and text[place] != "\n"
    return text[place] in signs and not inside

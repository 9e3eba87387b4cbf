"""Ask a model: batched log-probabilities of targets, named objectives, greedy answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import InputError
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


@torch.no_grad()
def target_log_probs(
    view: ModelView, rows: Sequence[Tokens], batch_size: int = 64
) -> list[Float[Tensor, " target_tokens"]]:
    """log p(y_j | x, y_<j) in nats for every target token of every row, rows of like length together."""
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    with frozen(view.model):
        for at in range(0, len(order), batch_size):
            group = order[at : at + batch_size]
            batch = pad([rows[i].ids for i in group], pad_id(view.tokenizer), device=view.device)
            logits = view.model(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
            ).logits
            for row, i in enumerate(group):
                first, last = rows[i].n_prompt - 1, len(rows[i].ids) - 1
                log_p = logits[row, first:last].float().log_softmax(-1)
                target = torch.tensor(rows[i].target, device=log_p.device)
                found[i] = log_p.gather(-1, target[:, None])[:, 0].cpu()
    return found


@torch.no_grad()
def top_tokens(view: ModelView, prompt: str, count: int = 5) -> list[tuple[str, float]]:
    """The most probable next tokens of a prompt, with their probabilities."""
    ids = torch.tensor([encode(view.tokenizer, prompt).ids], device=view.device)
    with frozen(view.model):
        logits = view.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    best = logits[0, -1].float().softmax(-1).topk(count)
    return [
        (view.tokenizer.decode([int(token)]), float(p)) for token, p in zip(best.indices, best.values, strict=True)
    ]


@torch.no_grad()
def generate(
    view: ModelView, prompts: Sequence[str], max_new_tokens: int = 12, batch_size: int = 128
) -> list[str]:
    """Continue every prompt greedily, left-padded in batches, to the model's own end or `max_new_tokens`."""
    answers = [""] * len(prompts)
    rows = [encode(view.tokenizer, prompt).ids for prompt in prompts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    with frozen(view.model):
        for at in range(0, len(order), batch_size):
            group = order[at : at + batch_size]
            batch = pad([rows[i] for i in group], pad_id(view.tokenizer), "left", view.device)
            out = view.model.generate(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=pad_id(view.tokenizer),
            )
            for row, i in enumerate(group):
                new = out[row, batch.ids.shape[1] :]
                answers[i] = view.tokenizer.decode(new, skip_special_tokens=True)
    return answers


def stream(view: ModelView, prompt: str, max_new_tokens: int = 24) -> Iterator[str]:
    """Continue one prompt greedily, yielding text as it comes, to the model's own end or a line's end."""
    ids = list(encode(view.tokenizer, prompt).ids)
    shown = view.tokenizer.decode(ids, skip_special_tokens=True)
    ends = _end_tokens(view)
    with frozen(view.model), torch.no_grad():
        cache, fresh = None, torch.tensor([ids], device=view.device)
        for _ in range(max_new_tokens):
            out = view.model(input_ids=fresh, past_key_values=cache, use_cache=True)
            cache, token = out.past_key_values, int(out.logits[0, -1].argmax())
            if token in ends:
                return
            ids.append(token)
            fresh = torch.tensor([[token]], device=view.device)
            text = view.tokenizer.decode(ids, skip_special_tokens=True)
            if not text.endswith("\ufffd"):
                yield text[len(shown) :]
                shown = text
            if "\n" in text[-2:]:
                return


def _end_tokens(view: ModelView) -> set[int]:
    config = view.model.generation_config
    ends = config.eos_token_id if config is not None else None
    listed = ends if isinstance(ends, list) else [ends]
    return {int(end) for end in [*listed, view.tokenizer.eos_token_id] if end is not None}


ENDS_ANSWER = ".,;:!?)\"'”\n"


def says(continuation: str, answer: str) -> bool:
    """Whether a continuation gives exactly this answer: the answer, then nothing or the end of the phrase."""
    text = continuation.strip()
    rest = text[len(answer) :]
    return text.startswith(answer) and (not rest or rest[0] in ENDS_ANSWER)


def answer_of(continuation: str) -> str:
    """The answer a continuation gives: its text up to the end of the first phrase."""
    text = continuation.strip()
    ends = [i for i, character in enumerate(text) if character in ".;!?\n"]
    return text[: ends[0]].strip() if ends else text


@dataclass(frozen=True, slots=True)
class Jobs:
    """Single-token predictions: row i's ids end where token `targets[i]` should come, for fact `owner[i]`."""

    ids: tuple[tuple[int, ...], ...]
    targets: tuple[int, ...]
    owner: tuple[int, ...]


def token_jobs(rows: Sequence[Tokens]) -> Jobs:
    """Split multi-token targets: each token is predicted at its own position, the gold prefix before it."""
    ids, targets, owner = [], [], []
    for fact, row in enumerate(rows):
        for place in range(row.n_prompt, len(row.ids)):
            ids.append(row.ids[:place])
            targets.append(row.ids[place])
            owner.append(fact)
    return Jobs(tuple(ids), tuple(targets), tuple(owner))

"""Ask a model: batched log-probabilities of targets, its own tokens in their places, named objectives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from errata.errors import unknown
from errata.model.grouping import groups
from errata.model.hooks import frozen
from errata.model.tokens import Tokens, pad, pad_id, position_arguments, require_room
from errata.model.view import ModelView

# Of one token's log-probability: what a localizer differentiates.
Objective = Callable[[Float[Tensor, " rows"]], Float[Tensor, " rows"]]
OBJECTIVES: dict[str, Objective] = {"probability": torch.exp, "log_probability": lambda log_p: log_p}


def objective(name: str) -> Objective:
    """Look an objective up; raises InputError with the choices."""
    if name not in OBJECTIVES:
        raise unknown("objective", name, sorted(OBJECTIVES))
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


def target_likelihoods(view: ModelView, rows: Sequence[Tokens], batch_size: int = 64) -> list[tuple[float, bool]]:
    """Σ_j log p(y_j | x, y_<j) in nats of every row, and whether every y_j is the model's own token in its place."""
    found = [(0.0, False)] * len(rows)
    for i, logits in _target_logits(view, rows, batch_size):
        target = torch.tensor(rows[i].target, device=logits.device)
        log_p = logits.float().log_softmax(-1).gather(-1, target[:, None])
        found[i] = float(log_p.double().sum()), bool((logits.argmax(-1) == target).all())
    return found


@torch.no_grad()
def _target_logits(view: ModelView, rows: Sequence[Tokens], batch_size: int) -> Iterator[tuple[int, Tensor]]:
    """Each row's place, and its logits `[target_tokens, vocabulary]` where its target's tokens are predicted."""
    require_room(view.model, (row.ids for row in rows))
    with frozen(view.model):
        for group in groups([len(row.ids) for row in rows], batch_size, view.device):
            batch = pad([rows[i].ids for i in group], pad_id(view.tokenizer), device=view.device)
            logits = view.model(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
            ).logits
            for row, i in enumerate(group):
                yield i, logits[row, rows[i].n_prompt - 1 : len(rows[i].ids) - 1]

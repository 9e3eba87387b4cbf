"""Ask many edited variants of a model at once: every row of a batch carries its own change of the value projections.

    added    v ← v + d · Σ_{i ∈ S_l} s_i k_i         at every position: W_l with d · s_i added to columns i ∈ S_l
    scaled   v ← v + (f − 1) Σ_{i ∈ S_l} W_i k_i     at the last position: the neurons i ∈ S_l times f

S_l is the row's set of neurons in layer l. What comes out is what the edited model would say, up to rounding, without
its weights having been written.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from errata.model.head import decoder_of, head_logits
from errata.model.hooks import first_tensor, frozen, with_first
from errata.model.tokens import pad, pad_id, position_arguments, require_room
from errata.model.view import ModelView

ROWS = 128


@dataclass(frozen=True, eq=False)
class Change:
    """A change of some neurons, the same in every layer: add `direction`, or multiply by `factor`.

    `neurons[l, i]` is 0 for a neuron that stays and its scale s_i (1 unless said otherwise) for one that changes.
    """

    neurons: Float[Tensor, "layers d_ff"]
    direction: Float[Tensor, " d_model"] | None = None
    factor: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A prompt's ids, the change it is asked under (None for none), and the tokens whose probability is wanted."""

    ids: tuple[int, ...]
    change: int | None
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The most probable next token, and log-probabilities in nats of the question's tokens."""

    best: int
    log_probs: tuple[float, ...]


@torch.no_grad()
def ask(view: ModelView, questions: Sequence[Question], changes: Sequence[Change]) -> list[Answer]:
    """Answer every question under its change, rows of like length together."""
    answers: list[Answer | None] = [None] * len(questions)
    require_room(view.model, (question.ids for question in questions))
    order = sorted(range(len(questions)), key=lambda at: len(questions[at].ids))
    with frozen(view.model):
        for start in range(0, len(order), ROWS):
            chosen = order[start : start + ROWS]
            for at, answer in zip(chosen, _answers(view, [questions[at] for at in chosen], changes), strict=True):
                answers[at] = answer
    return [answer for answer in answers if answer is not None]


def _answers(view: ModelView, questions: Sequence[Question], changes: Sequence[Change]) -> list[Answer]:
    batch = pad([question.ids for question in questions], pad_id(view.tokenizer), device=view.device)
    last = torch.tensor([len(question.ids) - 1 for question in questions], device=view.device)
    rows = torch.arange(len(questions), device=view.device)
    with _changed(view, [None if q.change is None else changes[q.change] for q in questions], last):
        states = decoder_of(view)(
            input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **position_arguments(view.model, batch)
        ).last_hidden_state
    log_p = head_logits(view, states[rows, last]).float().log_softmax(-1)
    best = log_p.argmax(-1).tolist()
    return [
        Answer(best[row], tuple(log_p[row, list(question.tokens)].tolist())) for row, question in enumerate(questions)
    ]


@contextmanager
def _changed(view: ModelView, changes: Sequence[Change | None], last: Int[Tensor, " rows"]) -> Generator[None]:
    """Inside, every row's value projections are those of its change."""
    like = view.weight(0)
    zero = torch.zeros(view.n_layers, view.d_ff)
    neurons = torch.stack([zero if change is None else change.neurons for change in changes]).to(like)
    directions = torch.zeros(len(changes), view.d_model)
    factors = torch.ones(len(changes))
    for row, change in enumerate(changes):
        if change is not None and change.direction is not None:
            directions[row] = change.direction
        if change is not None and change.factor is not None:
            factors[row] = change.factor
    with ExitStack() as stack:
        for layer in range(view.n_layers):
            if bool(neurons[:, layer].any()):
                hook = _hook(view, layer, neurons[:, layer], directions.to(like), factors.to(like), last)
                stack.callback(view.projection(layer).register_forward_hook(hook).remove)
        yield


def _hook(
    view: ModelView,
    layer: int,
    neurons: Float[Tensor, "rows d_ff"],
    directions: Float[Tensor, "rows d_model"],
    factors: Float[Tensor, " rows"],
    last: Int[Tensor, " rows"],
) -> Callable[..., object]:
    rows = torch.arange(len(neurons), device=neurons.device)
    adds, scales = bool(directions.any()), bool((factors != 1).any())

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> object:
        flat = first_tensor(output)
        keys = inputs[0].view(len(neurons), -1, neurons.shape[1])
        values = flat.view(len(neurons), -1, view.d_model)
        if adds:
            sums = torch.einsum("nth,nh->nt", keys, neurons)
            values = values + sums[:, :, None] * directions[:, None]
        if scales:
            extra = ((factors - 1)[:, None] * neurons * keys[rows, last]) @ view.weight(layer).T
            values = values.index_put((rows, last), extra, accumulate=True)
        return with_first(output, values.view(flat.shape))

    return hook

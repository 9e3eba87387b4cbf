"""The vocabulary head by itself: values of target tokens at given final states, and their gradients, in chunks.

Almost every head is one matrix, z = U h. Then with p = softmax(z), ∂ log p_y/∂h = U_y − Uᵀp: one product forward, one
back, and both read and write one buffer. A head that does more (scales or caps its logits) runs as the model wrote it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from errata.errors import InputError
from errata.model.scoring import Objective
from errata.model.view import ModelView

CHUNK_BYTES = 64 << 20


def decoder_of(view: ModelView) -> nn.Module:
    """The model without its vocabulary head: its last hidden state is what the head reads."""
    return cast(nn.Module, view.model.get_decoder())


def vocabulary_size(view: ModelView) -> int:
    """Number of rows of the embedding."""
    return int(cast(Any, view.model.get_input_embeddings()).weight.shape[0])


def answer_directions(view: ModelView) -> Float[Tensor, "vocabulary d_model"]:
    """The output embedding: row t is the direction of the residual stream that scores token t.

    Raises InputError where its width is not the residual stream's.
    """
    embedding = cast(Any, view.model.get_output_embeddings()).weight.detach()
    if embedding.shape[1] != view.d_model:
        raise InputError(
            f"The output embedding has width {embedding.shape[1]}, the residual stream {view.d_model}: "
            "this model's answers are no directions of its value vectors."
        )
    return embedding


@contextmanager
def decoder_gives(decoder: nn.Module, states: Tensor) -> Generator[None, None, None]:
    """Inside, the decoder returns `states` whatever it is asked: a forward pass of the model is its head alone."""
    own = decoder.__dict__.get("forward")

    def answer(*_args: Any, **_kwargs: Any) -> BaseModelOutputWithPastAndCrossAttentions:
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=cast(Any, states))

    decoder.forward = answer
    try:
        yield
    finally:
        del decoder.forward
        if own is not None:
            decoder.forward = own


def head_logits(view: ModelView, states: Float[Tensor, "rows d_model"]) -> Float[Tensor, "rows vocabulary"]:
    """The logits that the model's own code makes of final states."""
    ids = torch.zeros(len(states), 1, dtype=torch.long, device=states.device)  # the decoder does not read them
    with decoder_gives(decoder_of(view), states[:, None]):
        return view.model(input_ids=ids, use_cache=False).logits[:, 0]


def head_values(
    view: ModelView,
    states: Float[Tensor, "rows d_model"],
    targets: Int[Tensor, " rows"],
    objective: Objective,
    with_slopes: bool = True,
) -> tuple[Float[Tensor, " rows"], Float[Tensor, "_ d_model"]]:
    """f = objective(log p(target)) of every row, and ∂f/∂state if asked for (else no rows).

    No more logits than CHUNK_BYTES are held at a time.
    """
    matrix = _matrix(view)
    rows = min(len(states), max(1, CHUNK_BYTES // (vocabulary_size(view) * max(4, states.itemsize))))
    space = None if matrix is None else states.new_empty(rows, len(matrix))
    values, slopes = [], []
    for some, wanted in zip(states.detach().split(rows), targets.split(rows), strict=True):
        if matrix is None or space is None:
            log_p, slope = _through_model(view, some, wanted)
        else:
            log_p, slope = _through_matrix(matrix, some, wanted, space[: len(some)], with_slopes)
        value, by_log_p = _derivative(objective, log_p)
        values.append(value)
        slopes.append(by_log_p[: len(slope), None].to(slope.dtype) * slope)
    return torch.cat(values), torch.cat(slopes)


@torch.no_grad()
def _through_matrix(
    matrix: Tensor, states: Tensor, targets: Tensor, space: Tensor, with_slopes: bool
) -> tuple[Tensor, Tensor]:
    """log p_y and U_y − Uᵀp of every row; `space` holds logits, then log-probabilities, then probabilities."""
    logits = torch.mm(states, matrix.T, out=space)
    wide = logits.float() if logits.itemsize < 4 else logits
    log_p = torch.log_softmax(wide, -1, out=wide)
    of_target = log_p.gather(-1, targets[:, None])[:, 0]
    if not with_slopes:
        return of_target, states[:0]
    return of_target, matrix[targets] - log_p.exp_().to(matrix.dtype) @ matrix


def _through_model(view: ModelView, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """log p_y and its gradient through whatever the model does with its logits."""
    with torch.enable_grad():
        leaf = states.detach().requires_grad_()
        logits = head_logits(view, leaf)
        log_p = (logits.float() if logits.itemsize < 4 else logits).log_softmax(-1).gather(-1, targets[:, None])[:, 0]
        (gradient,) = torch.autograd.grad(log_p.sum(), leaf)
    return log_p.detach(), gradient


@torch.no_grad()
def _matrix(view: ModelView) -> Tensor | None:
    """U `[vocabulary, d_model]` where the head is that and nothing more; tried out once a model."""
    embeddings = view.model.get_output_embeddings()
    weight = getattr(embeddings, "weight", None)
    if (
        not isinstance(embeddings, nn.Linear)
        or type(weight) is not nn.Parameter
        or getattr(embeddings, "bias", None) is not None
    ):
        return None
    if "plain head" not in view.memo:
        states = torch.randn(4, view.d_model, generator=torch.Generator().manual_seed(0)).to(weight)
        expected, found = head_logits(view, states), states @ weight.T
        close = 64 * torch.finfo(weight.dtype).eps * float(expected.abs().max())
        view.memo["plain head"] = found.shape == expected.shape and torch.allclose(found, expected, atol=close, rtol=0)
    return weight.detach() if view.memo["plain head"] else None


def _derivative(objective: Objective, log_p: Tensor) -> tuple[Tensor, Tensor]:
    """objective(log p) and its derivative, row by row."""
    with torch.enable_grad():
        leaf = log_p.detach().requires_grad_()
        value = objective(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope

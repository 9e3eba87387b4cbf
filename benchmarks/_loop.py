"""The values of facts as a plain loop finds them: one fact at a time, every row whole, through every layer.

This is how released codes of ROME and MEMIT are arranged: a fact's context rows and its essence row are one batch, each
step runs the whole model on it and asks the head at every position. The equation, the stop and the settings are those
of errata.associative.values, so that the results can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from errata.associative.values import Site, ValueSettings
from errata.facts import Fact
from errata.model.hooks import change_output, frozen
from errata.model.tokens import encode_fact, pad, pad_id, position_arguments
from errata.model.view import ModelView


def one_at_a_time(
    view: ModelView,
    layer: int,
    facts: Sequence[Fact],
    contexts: Sequence[str],
    settings: ValueSettings,
    site: Site = "value",
) -> Tensor:
    """δ of every fact, `[facts, d_model]`."""
    with frozen(view.model):
        return torch.stack([_alone(view, layer, fact, contexts, settings, site) for fact in facts])


def _alone(
    view: ModelView, layer: int, fact: Fact, contexts: Sequence[str], settings: ValueSettings, site: Site
) -> Tensor:
    targets = [encode_fact(view.tokenizer, fact, fact.target, context) for context in contexts]
    rows = [*targets, encode_fact(view.tokenizer, Fact(fact.subject, "{} is a"))]
    batch = pad([row.ids for row in rows], pad_id(view.tokenizer), device=view.device)
    extra = position_arguments(view.model, batch)
    which = torch.arange(len(rows), device=view.device)
    at = torch.tensor([row.subject_last for row in rows], device=view.device)
    module = view.projection(layer) if site == "value" else view.structure.blocks[layer]
    first: list[Tensor] = []
    delta = torch.zeros(view.d_model, device=view.device, requires_grad=True)

    def add(output: Tensor) -> Tensor:
        out = output.view(*batch.ids.shape, -1)
        if not first:
            first.append(out.detach()[which, at][: len(targets)].float())
        return out.index_put((which, at), delta.to(out.dtype).expand(len(rows), -1), accumulate=True).view(output.shape)

    def log_probs() -> Tensor:
        with change_output(module, add):
            logits = view.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **extra).logits
        return logits.float().log_softmax(-1)

    def loss_of(log_p: Tensor) -> Tensor:
        means = [
            -log_p[i, range(row.n_prompt - 1, len(row.ids) - 1), list(row.target)].mean()
            for i, row in enumerate(targets)
        ]
        return torch.stack(means).mean()

    end = (len(targets), len(rows[-1].ids) - 1)
    with torch.no_grad():
        before = log_probs()[end]
    norm = float(first[0].norm(dim=-1).mean())
    optimizer = torch.optim.Adam([delta], lr=settings.lr)
    for _ in range(settings.steps):
        log_p = log_probs()
        nll = loss_of(log_p)
        if float(nll) < settings.stop:
            break
        divergence = (before.exp() * (before - log_p[end])).sum()
        loss = nll + settings.kl_factor * divergence + settings.weight_decay * delta.norm() / norm**2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if settings.clamp is not None and float(delta.norm()) > settings.clamp * norm:
            with torch.no_grad():
                delta *= settings.clamp * norm / delta.norm()
    return delta.detach()

"""Values: what a layer should write at the subject's last token so that the model gives the target.

    δ* = argmin  NLL(target | context, prompt; v + δ)      mean over contexts, mean over target tokens
               + kl_factor · KL(p₀ ‖ p_δ)                   next token of "{subject} is a"
               + weight_decay · ‖δ‖ / ‖v₀‖²                 ‖δ‖ ≤ clamp · ‖v₀‖
               + what a guard adds (errata.associative.guard)

v is a layer's value (ROME's v*) or its block's output h (MEMIT's z = h + δ).

Sources: Meng et al. 2022 (ROME), eq. 4; Meng et al. 2023 (MEMIT), eq. 16; and the released settings. Many facts are
optimised together: given fixed weights they are independent, and Adam's step is elementwise. What δ cannot reach is
computed once (errata.model.tail), and rows of like length travel together. A fact stops, and leaves the batch, when its
NLL falls below `stop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from errata.associative.guard import Guard
from errata.associative.problem import Problem, Site, problem_of
from errata.errors import EditError, InputError
from errata.facts import Fact
from errata.model.hooks import frozen
from errata.model.tokens import encode_fact
from errata.model.view import ModelView
from errata.progress import steps


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """The optimisation of v*: see the module's equation for each symbol.

    `steps`         Adam's steps at most (published: 20 or 25)
    `lr`            Adam's learning rate
    `weight_decay`  weight of ‖δ‖/‖v₀‖² (published: 0.5 for GPT-2 and GPT-J, 1e-3 for Llama and Mistral)
    `kl_factor`     weight of the divergence on the essence prompt
    `clamp`         largest ‖δ‖/‖v₀‖; None: no bound
    `stop`          NLL in nats at which a fact is done (published: 0.05)
    `together`      facts in one batch: memory grows with it, the result does not depend on it

    Raises InputError for a learning rate that is negative or not finite.
    """

    steps: int = 60
    lr: float = 0.5
    weight_decay: float = 1e-3
    kl_factor: float = 0.0625
    clamp: float | None = 4.0
    stop: float = 0.05
    together: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.lr < inf:
            raise InputError(f"The learning rate {self.lr} is none: give a finite number from 0.")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """δ of each fact, what it reached, and the norm of the value it is added to.

    `nll`     mean negative log-probability of the target, nats
    `greedy`  share of contexts in which every target token is the most probable one
    """

    delta: Float[Tensor, "facts d_model"]
    nll: tuple[float, ...]
    greedy: tuple[float, ...]
    norm: tuple[float, ...]


def optimise_values(
    view: ModelView,
    layer: int,
    facts: Sequence[Fact],
    targets: Sequence[str],
    contexts: Sequence[str],
    settings: ValueSettings,
    guard: Guard | None = None,
    site: Site = "value",
) -> Values:
    """Find δ for every fact at one layer; raises EditError when the loss is not finite."""
    # Facts of like length together: less padding.
    rows = [[encode_fact(view.tokenizer, f, t, c) for c in contexts] for f, t in zip(facts, targets, strict=True)]
    order = sorted(range(len(facts)), key=lambda i: max(len(row.ids) for row in rows[i]))
    found: dict[int, tuple[Tensor, float, float, float]] = {}
    with frozen(view.model):
        for start in range(0, len(order), settings.together):
            group = order[start : start + settings.together]
            essence = [encode_fact(view.tokenizer, Fact(facts[i].subject, "{} is a")) for i in group]
            problem = problem_of(view, layer, site, [rows[i] for i in group], essence)
            values = _optimise(problem, torch.tensor(group, device=view.device), settings, guard)
            each = zip(values.delta, values.nll, values.greedy, values.norm, strict=True)
            found.update(zip(group, each, strict=True))
    columns = list(zip(*(found[i] for i in range(len(facts))), strict=True))
    return Values(torch.stack(columns[0]), columns[1], columns[2], columns[3])


def _optimise(problem: Problem, which: Tensor, settings: ValueSettings, guard: Guard | None) -> Values:
    with torch.no_grad():
        before, norm = problem.start()
    delta = torch.zeros(len(which), problem.view.d_model, device=which.device).requires_grad_()
    optimizer = torch.optim.Adam([delta], lr=settings.lr)
    nll, greedy = torch.zeros_like(norm), torch.zeros_like(norm)
    active = torch.arange(len(which), device=which.device)
    for step in steps(settings.steps + 1, "optimising values"):
        log_p, essence = problem.log_probs(delta[active])
        loss = problem.nll(log_p)
        if not bool(torch.isfinite(loss).all()):
            raise EditError("The value optimisation diverged: lower the learning rate or check the model for NaN.")
        done = (loss.detach() < settings.stop) | (step == settings.steps)
        nll[active], greedy[active] = loss.detach(), problem.greedy(log_p.detach())
        if bool(done.all()):
            break
        going = active[~done]
        decay = settings.weight_decay * delta[active].norm(dim=-1) / norm[active] ** 2
        total = loss + settings.kl_factor * (before.exp() * (before - essence)).sum(-1) + decay
        if bool(done.any()):
            total, problem, before = total[~done], problem.without(done), before[~done]
        if guard is not None:
            total = total + guard.penalty(delta[going])
        optimizer.zero_grad()
        total.sum().backward()
        kept = delta.detach().clone()
        optimizer.step()
        with torch.no_grad():
            moved = delta[going]
            if guard is not None:
                moved = guard.project(moved, which[going])
            if settings.clamp is not None:
                longest = settings.clamp * norm[going]
                moved = moved * (longest / moved.norm(dim=-1).clamp_min(1e-12)).clamp_max(1)[:, None]
            delta.copy_(kept.index_copy(0, going, moved))  # Adam's momentum would carry a finished fact on
        active = going
    return Values(delta.detach(), *(tuple(column.tolist()) for column in (nll, greedy, norm)))

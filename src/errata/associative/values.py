"""Values: what a layer should write at the subject's last token so that the model gives the target.

    δ* = argmin  NLL(target | context, prompt; v + δ)      mean over contexts, mean over target tokens
               + kl_factor · KL(p₀ ‖ p_δ)                   next token of "{subject} is a"
               + weight_decay · ‖δ‖ / ‖v₀‖²                 ‖δ‖ ≤ clamp · ‖v₀‖
               + what a guard adds (errata.associative.guard)

v is a layer's value (ROME's v*) or its block's output h (MEMIT's z = h + δ).

Sources: Meng et al. 2022 (ROME), eq. 4; Meng et al. 2023 (MEMIT), eq. 16; and the released settings. Many facts are
optimised together: given fixed weights they are independent, and Adam's step is elementwise. What δ cannot reach is
computed once (errata.model.tail). A fact stops, and leaves the batch, when its NLL falls below `stop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from errata.associative.guard import Guard
from errata.errors import EditError
from errata.facts import Fact
from errata.model.head import head_logits
from errata.model.hooks import change_output, frozen
from errata.model.tail import Tail, tail
from errata.model.tokens import Tokens, encode_fact
from errata.model.view import ModelView

Site = Literal["value", "block"]


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
    """

    steps: int = 60
    lr: float = 0.5
    weight_decay: float = 1e-3
    kl_factor: float = 0.0625
    clamp: float | None = 4.0
    stop: float = 0.05
    together: int = 64


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
            problem = _problem(view, layer, site, [rows[i] for i in group], essence)
            values = _optimise(problem, torch.tensor(group, device=view.device), settings, guard)
            each = zip(values.delta, values.nll, values.greedy, values.norm, strict=True)
            found.update(zip(group, each, strict=True))
    columns = list(zip(*(found[i] for i in range(len(facts))), strict=True))
    return Values(torch.stack(columns[0]), columns[1], columns[2], columns[3])


def _optimise(problem: _Problem, which: Tensor, settings: ValueSettings, guard: Guard | None) -> Values:
    with torch.no_grad():
        before, values = problem.start()
    norm = values.norm(dim=-1).mean(-1)
    delta = torch.zeros_like(values[:, 0]).requires_grad_()
    optimizer = torch.optim.Adam([delta], lr=settings.lr)
    nll, greedy = torch.zeros_like(norm), torch.zeros_like(norm)
    active = torch.arange(len(which), device=which.device)
    for step in tqdm(range(settings.steps + 1), desc="optimising values", unit="step", leave=False, disable=None):
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


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Facts' rows in one batch: for every fact its contexts' target rows, then its essence row.

    The i-th target token, of fact `owner[i]`, is predicted at column `columns[i]` of row `rows[i]` and counts
    `weights[i]` in its fact's mean; the essence rows' answers are predicted at `ends`.
    """

    view: ModelView
    layer: int
    site: Site
    contexts: int
    tail: Tail
    owner: Int[Tensor, " tokens"]
    rows: Int[Tensor, " tokens"]
    columns: Int[Tensor, " tokens"]
    tokens: Int[Tensor, " tokens"]
    weights: Float[Tensor, " tokens"]
    ends: Int[Tensor, " facts"]

    def start(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities at the essence rows' ends `[facts, vocabulary]`, and v₀ `[facts, contexts, d_model]`."""
        seen: list[Tensor] = []
        with change_output(self._module(), lambda out: (seen.append(out), out)[1]):
            _, essence = self.log_probs(None)
        values = seen[0].view(len(self.tail), -1, self.view.d_model)
        at = values[torch.arange(len(self.tail), device=values.device), self.tail.at].float()
        return essence, at.view(len(self.ends), self.contexts + 1, -1)[:, : self.contexts]

    def log_probs(self, delta: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log-probabilities at the target tokens' columns and at the essence rows' ends, δ added at every subject."""
        index = torch.arange(len(self.tail), device=self.tail.at.device)

        def add(output: Tensor) -> Tensor:
            if delta is None:
                return output
            out = output.view(len(self.tail), -1, self.view.d_model)
            each = delta.repeat_interleave(self.contexts + 1, dim=0).to(out.dtype)
            return out.index_put((index, self.tail.at), each, accumulate=True).view(output.shape)

        with change_output(self._module(), add):
            states = self.tail.final()
        last = torch.arange(self.contexts, len(self.tail), self.contexts + 1, device=index.device)
        rows, columns = torch.cat([self.rows, last]), torch.cat([self.columns, self.ends])
        log_p = head_logits(self.view, states[rows, columns]).float().log_softmax(-1)
        return log_p[: len(self.tokens)], log_p[len(self.tokens) :]

    def nll(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Mean negative log-probability of each fact's target."""
        chosen = log_p.gather(-1, self.tokens[:, None])[:, 0]
        return torch.zeros(len(self.ends), device=log_p.device).index_add(0, self.owner, -chosen * self.weights)

    def greedy(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Share of each fact's contexts in which every target token is the most probable."""
        wrong = (log_p.argmax(-1) != self.tokens).float()
        right = (torch.zeros(len(self.tail), device=log_p.device).index_add(0, self.rows, wrong) == 0).float()
        return right.view(len(self.ends), -1)[:, : self.contexts].mean(-1)

    def without(self, done: Bool[Tensor, " facts"]) -> _Problem:
        """The same problem for the facts that are not done."""
        going = torch.nonzero(~done)[:, 0]
        place = torch.cumsum(~done, 0) - 1
        each = self.contexts + 1
        rows = (going[:, None] * each + torch.arange(each, device=going.device)).flatten()
        kept = ~done[self.owner]
        owner = place[self.owner[kept]]
        return _Problem(
            self.view,
            self.layer,
            self.site,
            self.contexts,
            self.tail.select(rows),
            owner,
            self.rows[kept] - (self.owner[kept] - owner) * each,
            self.columns[kept],
            self.tokens[kept],
            self.weights[kept],
            self.ends[going],
        )

    def _module(self) -> torch.nn.Module:
        if self.site == "value":
            return self.view.projection(self.layer)
        return self.view.structure.blocks[self.layer]


def _problem(
    view: ModelView, layer: int, site: Site, rows: Sequence[Sequence[Tokens]], essence: Sequence[Tokens]
) -> _Problem:
    """One batch of the facts' target rows and essence rows."""
    together = [row for own, last in zip(rows, essence, strict=True) for row in (*own, last)]
    at = [row.subject_last or 0 for row in together]
    running = tail(view, [row.ids for row in together], at, layer if site == "value" else layer + 1)
    shift = (running.at.cpu() - torch.tensor(at)).tolist()
    contexts = len(rows[0])
    spots = [
        (i // (contexts + 1), i, place - 1 + shift[i], row.ids[place], 1 / (contexts * len(row.target)))
        for i, row in enumerate(together)
        for place in range(row.n_prompt, len(row.ids))
    ]
    owner, own_rows, columns, tokens, weights = (
        torch.tensor(column, device=view.device) for column in zip(*spots, strict=True)
    )
    ends = [len(row.ids) - 1 + shift[i] for i, row in enumerate(together) if i % (contexts + 1) == contexts]
    found = torch.tensor(ends, device=view.device)
    return _Problem(view, layer, site, contexts, running, owner, own_rows, columns, tokens, weights, found)

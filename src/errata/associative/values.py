"""Values: what a layer should write at the subject's last token so that the model gives the target.

    δ* = argmin  NLL(target | context, prompt; v + δ)      mean over contexts, mean over target tokens
               + kl_factor · KL(p₀ ‖ p_δ)                   next token of "{subject} is a"
               + weight_decay · ‖δ‖ / ‖v₀‖²                 ‖δ‖ ≤ clamp · ‖v₀‖

Source: Meng et al. 2022 (ROME), eq. 4 and the released settings. All facts are optimised together: given fixed
weights they are independent, and Adam's step is elementwise. A fact stops when its NLL falls below `stop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from errata.errors import EditError
from errata.facts import Fact
from errata.model.hooks import change_output, frozen
from errata.model.tokens import Tokens, encode_fact, pad, pad_id, position_arguments
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """The optimisation of v*: see the module's equation for each symbol.

    `steps`         Adam's steps at most (published: 20 or 25)
    `lr`            Adam's learning rate
    `weight_decay`  weight of ‖δ‖/‖v₀‖² (published: 0.5 for GPT-2 and GPT-J, 1e-3 for Llama and Mistral)
    `kl_factor`     weight of the divergence on the essence prompt
    `clamp`         largest ‖δ‖/‖v₀‖; None: no bound
    `stop`          NLL in nats at which a fact is done (published: 0.05)
    """

    steps: int = 60
    lr: float = 0.5
    weight_decay: float = 1e-3
    kl_factor: float = 0.0625
    clamp: float | None = 4.0
    stop: float = 0.01


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
) -> Values:
    """Find δ for every fact at one layer's value projection; raises EditError when the loss is not finite."""
    rows = [encode_fact(view.tokenizer, f, t, c) for f, t in zip(facts, targets, strict=True) for c in contexts]
    essence = [Fact(f.subject, "{} is a") for f in facts]
    kept = [encode_fact(view.tokenizer, fact) for fact in essence]
    problem = _Problem(view, layer, [*rows, *kept], len(facts), len(contexts))
    with frozen(view.model):
        with torch.no_grad():
            before = problem.log_probs(None)
            first = problem.values.view(len(facts), -1, problem.values.shape[-1])
        norm = first.norm(dim=-1).mean(-1)
        delta = torch.zeros(len(facts), first.shape[-1], device=view.device, requires_grad=True)
        optimizer = torch.optim.Adam([delta], lr=settings.lr)
        done = torch.zeros(len(facts), dtype=torch.bool, device=view.device)
        for _ in tqdm(range(settings.steps), desc="optimising values", unit="step", leave=False, disable=None):
            log_p = problem.log_probs(delta)
            loss = problem.nll(log_p)
            if not bool(torch.isfinite(loss).all()):
                raise EditError("The value optimisation diverged: lower the learning rate or check the model for NaN.")
            done |= loss.detach() < settings.stop
            if bool(done.all()):
                break
            decay = settings.weight_decay * delta.norm(dim=-1) / norm**2
            total = loss + settings.kl_factor * problem.divergence(before, log_p) + decay
            optimizer.zero_grad()
            total[~done].sum().backward()
            settled = delta.detach()[done].clone()
            optimizer.step()
            with torch.no_grad():
                delta[done] = settled  # Adam's momentum would carry a finished fact on
                if settings.clamp is not None:
                    longest = settings.clamp * norm
                    delta *= (longest / delta.norm(dim=-1).clamp_min(1e-12)).clamp_max(1)[:, None]
        with torch.no_grad():
            log_p = problem.log_probs(delta)
            nll, greedy = problem.nll(log_p), problem.greedy(log_p)
    return Values(delta.detach(), tuple(nll.tolist()), tuple(greedy.tolist()), tuple(norm.tolist()))


class _Problem:
    """The rows of all facts as one padded batch: facts × contexts target rows, then one essence row a fact."""

    def __init__(self, view: ModelView, layer: int, rows: Sequence[Tokens], facts: int, contexts: int) -> None:
        self.view, self.layer, self.facts, self.contexts = view, layer, facts, contexts
        self.batch = pad([row.ids for row in rows], pad_id(view.tokenizer), device=view.device)
        self.extra = position_arguments(view.model, self.batch)
        n = facts * contexts
        self.owner = torch.tensor([i // contexts for i in range(n)] + list(range(facts)), device=view.device)
        self.last = torch.tensor([row.subject_last for row in rows], device=view.device)
        # (row, column that predicts, predicted token, weight in its fact's mean)
        spots = [
            (i, place - 1, row.ids[place], 1 / (contexts * len(row.target)))
            for i, row in enumerate(rows[:n])
            for place in range(row.n_prompt, len(row.ids))
        ]
        ends = [(n + i, len(row.ids) - 1) for i, row in enumerate(rows[n:])]
        self.rows = torch.tensor([spot[0] for spot in spots] + [row for row, _ in ends], device=view.device)
        self.columns = torch.tensor([spot[1] for spot in spots] + [at for _, at in ends], device=view.device)
        self.tokens = torch.tensor([spot[2] for spot in spots], device=view.device)
        self.weights = torch.tensor([spot[3] for spot in spots], device=view.device)
        self.values = torch.empty(0)

    def log_probs(self, delta: Tensor | None) -> Float[Tensor, "spots vocabulary"]:
        """Log-probabilities at every spot with δ added at each row's subject; without δ, the values are kept."""
        index = torch.arange(len(self.last), device=self.last.device)

        def add(output: Tensor) -> Tensor:
            out = output.view(*self.batch.ids.shape, -1)
            if delta is None:
                self.values = out[index, self.last][: self.facts * self.contexts].float()
                return output
            changed = out.index_put((index, self.last), delta[self.owner].to(out.dtype), accumulate=True)
            return changed.view(output.shape)

        with change_output(self.view.projection(self.layer), add):
            hidden: Any = self.view.model(
                input_ids=self.batch.ids, attention_mask=self.batch.mask, use_cache=False, **self.extra
            )
        return hidden.logits[self.rows, self.columns].float().log_softmax(-1)

    def nll(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Mean negative log-probability of each fact's target."""
        chosen = log_p[: len(self.tokens)].gather(-1, self.tokens[:, None])[:, 0]
        owner = self.owner[self.rows[: len(self.tokens)]]
        return torch.zeros(self.facts, device=log_p.device).index_add(0, owner, -chosen * self.weights)

    def greedy(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Share of each fact's contexts in which every target token is the most probable."""
        wrong = log_p[: len(self.tokens)].argmax(-1) != self.tokens
        missed = torch.zeros(self.facts * self.contexts, device=log_p.device)
        missed = missed.index_add(0, self.rows[: len(self.tokens)], wrong.float())
        return (missed == 0).float().view(self.facts, self.contexts).mean(-1)

    def divergence(self, before: Tensor, after: Tensor) -> Float[Tensor, " facts"]:
        """KL(p₀ ‖ p_δ) of each fact's essence prompt."""
        p, q = before[len(self.tokens) :], after[len(self.tokens) :]
        return (p.exp() * (p - q)).sum(-1)

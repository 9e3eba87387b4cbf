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
# Rows that travel together: at least so many, if there are, and at most so many times as long as the shortest.
FEWEST, WIDER = 16, 1.25


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
        before, norm = problem.start()
    delta = torch.zeros(len(which), problem.view.d_model, device=which.device).requires_grad_()
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
class _Part:
    """Rows of like length: row i belongs to fact `owner[i]`, and is its essence row where `essence[i]`.

    The j-th target token is predicted at column `columns[j]` of row `rows[j]` and counts `weights[j]` in its fact's
    mean; an essence row's answer is predicted at its `ends[i]`.
    """

    tail: Tail
    owner: Int[Tensor, " rows"]
    essence: Bool[Tensor, " rows"]
    ends: Int[Tensor, " rows"]
    rows: Int[Tensor, " tokens"]
    columns: Int[Tensor, " tokens"]
    tokens: Int[Tensor, " tokens"]
    weights: Float[Tensor, " tokens"]

    def without(self, done: Bool[Tensor, " facts"]) -> _Part:
        """The same part for the facts that are not done."""
        going = ~done[self.owner]
        kept = going[self.rows]
        return _Part(
            self.tail.select(torch.nonzero(going)[:, 0]),
            (torch.cumsum(~done, 0) - 1)[self.owner[going]],
            self.essence[going],
            self.ends[going],
            (torch.cumsum(going, 0) - 1)[self.rows[kept]],
            self.columns[kept],
            self.tokens[kept],
            self.weights[kept],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """The rows of `facts` facts: a target row for each of their contexts, and an essence row."""

    view: ModelView
    module: torch.nn.Module
    facts: int
    parts: tuple[_Part, ...]

    def start(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities at the essence rows' ends `[facts, vocabulary]`, and ‖v₀‖, the contexts' mean."""
        seen: list[Tensor] = []
        with change_output(self.module, lambda out: (seen.append(out), out)[1]):
            _, essence = self.log_probs(None)
        total, rows = torch.zeros(2, self.facts, device=essence.device)
        for part, values in zip(self.parts, seen, strict=True):
            at = torch.arange(len(part.tail), device=values.device), part.tail.at
            norms = values.view(len(part.tail), -1, self.view.d_model)[at].float().norm(dim=-1)
            target = ~part.essence
            total.index_add_(0, part.owner[target], norms[target])
            rows.index_add_(0, part.owner[target], torch.ones_like(norms[target]))
        return essence, total / rows

    def log_probs(self, delta: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log-probabilities at the target tokens' columns and at the essence rows' ends, δ added at every subject.

        The tokens are in the order of the parts, the essence rows in that of the facts.
        """
        states = [self._states(part, delta) for part in self.parts]
        targets = [own[part.rows, part.columns] for part, own in zip(self.parts, states, strict=True)]
        ends = [own[part.essence, part.ends[part.essence]] for part, own in zip(self.parts, states, strict=True)]
        order = torch.cat([part.owner[part.essence] for part in self.parts]).argsort()
        log_p = head_logits(self.view, torch.cat([*targets, torch.cat(ends)[order]])).float().log_softmax(-1)
        return log_p[: -self.facts], log_p[-self.facts :]

    def nll(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Mean negative log-probability of each fact's target."""
        owner, tokens, weights = self._targets()
        chosen = log_p.gather(-1, tokens[:, None])[:, 0]
        return torch.zeros(self.facts, device=log_p.device).index_add(0, owner, -chosen * weights)

    def greedy(self, log_p: Tensor) -> Float[Tensor, " facts"]:
        """Share of each fact's contexts in which every target token is the most probable."""
        best = log_p.argmax(-1)
        right, rows = torch.zeros(2, self.facts, device=log_p.device)
        for part, own in zip(self.parts, best.split([len(part.rows) for part in self.parts]), strict=True):
            target = ~part.essence
            wrong = torch.zeros_like(part.owner).index_add(0, part.rows, (own != part.tokens).long())
            right.index_add_(0, part.owner[target], (wrong[target] == 0).float())
            rows.index_add_(0, part.owner[target], torch.ones_like(wrong[target], dtype=torch.float32))
        return right / rows

    def without(self, done: Bool[Tensor, " facts"]) -> _Problem:
        """The same problem for the facts that are not done."""
        parts = tuple(part.without(done) for part in self.parts)
        return _Problem(self.view, self.module, int((~done).sum()), tuple(part for part in parts if len(part.tail)))

    def _states(self, part: _Part, delta: Tensor | None) -> Tensor:
        """The last states of a part's rows."""
        index = torch.arange(len(part.tail), device=part.owner.device)

        def add(output: Tensor) -> Tensor:
            if delta is None:
                return output
            out = output.view(len(part.tail), -1, self.view.d_model)
            each = delta[part.owner].to(out.dtype)
            return out.index_put((index, part.tail.at), each, accumulate=True).view(output.shape)

        with change_output(self.module, add):
            return part.tail.final()

    def _targets(self) -> tuple[Tensor, Tensor, Tensor]:
        """Fact, id and weight of every target token."""
        each = [(part.owner[part.rows], part.tokens, part.weights) for part in self.parts]
        owner, tokens, weights = (torch.cat(column) for column in zip(*each, strict=True))
        return owner, tokens, weights


def _problem(
    view: ModelView, layer: int, site: Site, rows: Sequence[Sequence[Tokens]], essence: Sequence[Tokens]
) -> _Problem:
    """The facts' target rows and essence rows, in parts of like length behind the subject."""
    lines = [(i, row, False) for i, own in enumerate(rows) for row in own]
    lines += [(i, row, True) for i, row in enumerate(essence)]
    lines.sort(key=lambda line: _behind(line[1]))
    block = layer if site == "value" else layer + 1
    parts = tuple(_part(view, block, group, len(rows[0])) for group in _alike(lines))
    module = view.projection(layer) if site == "value" else view.structure.blocks[layer]
    return _Problem(view, module, len(rows), parts)


_Line = tuple[int, Tokens, bool]


def _behind(row: Tokens) -> int:
    """Tokens from the subject's last on."""
    return len(row.ids) - (row.subject_last or 0)


def _alike(lines: Sequence[_Line]) -> list[Sequence[_Line]]:
    """Sorted rows in groups of FEWEST or more, each no longer than WIDER times its shortest."""
    groups: list[list[_Line]] = [[]]
    for line in lines:
        group = groups[-1]
        if len(group) >= FEWEST and _behind(line[1]) > WIDER * _behind(group[0][1]):
            groups.append(group := [])
        group.append(line)
    if len(groups) > 1 and len(groups[-1]) < FEWEST:
        last = groups.pop()
        groups[-1].extend(last)
    return list(groups)


def _part(view: ModelView, block: int, lines: Sequence[_Line], contexts: int) -> _Part:
    at = [row.subject_last or 0 for _, row, _ in lines]
    running = tail(view, [row.ids for _, row, _ in lines], at, block)
    shift = (running.at.cpu() - torch.tensor(at)).tolist()
    spots = [
        (i, place - 1 + shift[i], row.ids[place], 1 / (contexts * len(row.target)))
        for i, (_, row, _) in enumerate(lines)
        for place in range(row.n_prompt, len(row.ids))
    ]
    own, columns, tokens, weights = zip(*spots, strict=True) if spots else ((), (), (), ())

    def integers(values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=view.device)

    return _Part(
        running,
        integers([owner for owner, _, _ in lines]),
        torch.tensor([last for _, _, last in lines], device=view.device),
        integers([len(row.ids) - 1 + shift[i] for i, (_, row, _) in enumerate(lines)]),
        integers(own),
        integers(columns),
        integers(tokens),
        torch.tensor(weights, device=view.device),
    )

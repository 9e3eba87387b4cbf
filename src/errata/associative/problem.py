"""The rows on which values are optimised: of every fact its target in each context, and its essence prompt.

δ is added at the subject's last token of all rows of a fact. Rows of like length behind that token travel together,
since padding costs as much as text; the vocabulary is asked only where a token is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from errata.model.head import head_logits
from errata.model.hooks import change_output
from errata.model.tail import Tail, tail
from errata.model.tokens import Tokens
from errata.model.view import ModelView

Site = Literal["value", "block"]
Line = tuple[int, Tokens, bool]  # the fact, its row, whether that is the essence row
# Rows that travel together: at least so many, if there are, and at most so many times as long as the shortest.
FEWEST, WIDER = 16, 1.25


@dataclass(frozen=True, slots=True, eq=False)
class Part:
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

    def without(self, done: Bool[Tensor, " facts"]) -> Part:
        """The same part for the facts that are not done."""
        going = ~done[self.owner]
        kept = going[self.rows]
        return Part(
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
class Problem:
    """The rows of `facts` facts: a target row for each of their contexts, and an essence row."""

    view: ModelView
    module: torch.nn.Module
    facts: int
    parts: tuple[Part, ...]

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

    def without(self, done: Bool[Tensor, " facts"]) -> Problem:
        """The same problem for the facts that are not done."""
        parts = tuple(part.without(done) for part in self.parts)
        return Problem(self.view, self.module, int((~done).sum()), tuple(part for part in parts if len(part.tail)))

    def _states(self, part: Part, delta: Tensor | None) -> Tensor:
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


def problem_of(
    view: ModelView, layer: int, site: Site, rows: Sequence[Sequence[Tokens]], essence: Sequence[Tokens]
) -> Problem:
    """The facts' target rows and essence rows, in parts of like length behind the subject."""
    lines = [(i, row, False) for i, own in enumerate(rows) for row in own]
    lines += [(i, row, True) for i, row in enumerate(essence)]
    lines.sort(key=lambda line: _behind(line[1]))
    block = layer if site == "value" else layer + 1
    parts = tuple(_part(view, block, group, len(rows[0])) for group in _alike(lines))
    module = view.projection(layer) if site == "value" else view.structure.blocks[layer]
    return Problem(view, module, len(rows), parts)


def _behind(row: Tokens) -> int:
    """Tokens from the subject's last on."""
    return len(row.ids) - (row.subject_last or 0)


def _alike(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Sorted rows in groups of FEWEST or more, each no longer than WIDER times its shortest."""
    groups: list[list[Line]] = [[]]
    for line in lines:
        group = groups[-1]
        if len(group) >= FEWEST and _behind(line[1]) > WIDER * _behind(group[0][1]):
            groups.append(group := [])
        group.append(line)
    if len(groups) > 1 and len(groups[-1]) < FEWEST:
        last = groups.pop()
        groups[-1].extend(last)
    return list(groups)


def _part(view: ModelView, block: int, lines: Sequence[Line], contexts: int) -> Part:
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

    return Part(
        running,
        integers([owner for owner, _, _ in lines]),
        torch.tensor([last for _, _, last in lines], device=view.device),
        integers([len(row.ids) - 1 + shift[i] for i, (_, row, _) in enumerate(lines)]),
        integers(own),
        integers(columns),
        integers(tokens),
        torch.tensor(weights, device=view.device),
    )

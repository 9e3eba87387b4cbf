"""Adam on a change of some columns of W: what the editors share that follow a gradient.

    v = (W + ΔW) k ,   ΔW = scale · D on the chosen columns and nothing elsewhere
    D ← D − Adam(∂L/∂D) ,   L = Σ over questions, weighted (errata.editors._questions) + penalty(ΔW)

ΔW acts at every position. It is added to the value projections' outputs, so that no weight is written and only D, its
gradient and its two moments are held. Blocks below the lowest changed one are computed once (errata.model.tail), and
logits only where something is asked. Where the model is stored in less than float32, W + ΔW is rounded as it will be
when it is written, with the gradient of the unrounded sum.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from errata import progress
from errata.deltas import WeightDelta
from errata.editors._questions import Question
from errata.errors import EditError, InputError
from errata.model.grouping import groups
from errata.model.head import head_logits
from errata.model.hooks import add_to_output
from errata.model.tail import Tail, tail
from errata.model.view import ModelView

Mean = Literal["mean", "max"]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """ΔW of one layer: `scale` · `free` on the columns `index` of W, all of them where it is None.

    `base` holds those columns of W; `free` is what Adam moves.
    """

    layer: int
    index: Int[Tensor, " columns"] | None
    base: Float[Tensor, "d_model columns"]
    free: Float[Tensor, "d_model columns"]
    scale: float = 1.0

    @classmethod
    def of(cls, view: ModelView, layer: int, chosen: Sequence[int] | None = None, scale: float = 1.0) -> Columns:
        """No change yet, of the chosen columns or of all."""
        weight = view.weight(layer)
        index = None if chosen is None else torch.tensor(list(chosen), device=weight.device)
        base = weight if index is None else weight.index_select(1, index)
        free = torch.zeros(base.shape, dtype=torch.float32, device=base.device)
        return cls(layer, index, base, free.requires_grad_(), scale)

    def change(self) -> Float[Tensor, "d_model columns"]:
        """ΔW of the columns, float32."""
        exact = self.scale * self.free
        if self.base.itemsize >= 4:
            return exact
        base = self.base.float()
        written = (base + exact.detach()).to(self.base.dtype).float() - base
        return exact + (written - exact.detach())

    def added(self, keys: Float[Tensor, "*batch d_ff"]) -> Float[Tensor, "*batch d_model"]:
        """ΔW k of every key."""
        own = keys if self.index is None else keys.index_select(-1, self.index)
        return own.float() @ self.change().T

    def relative_size(self) -> Float[Tensor, ""]:
        """‖ΔW‖² / ‖W‖² over the columns."""
        return (self.scale * self.free).square().sum() / self.base.float().square().sum().clamp_min(1e-12)

    def delta(self, view: ModelView) -> WeightDelta:
        """ΔW in factors whose product is exact: ΔW · one-hot rows, or I · ΔW where that is smaller."""
        own = (self.scale * self.free).detach().cpu()
        index = torch.arange(own.shape[1]) if self.index is None else self.index.cpu()
        if len(index) < len(own):
            right = torch.zeros(len(index), view.d_ff)
            right[torch.arange(len(index)), index] = 1.0
            return view.delta(self.layer, own, right)
        right = torch.zeros(len(own), view.d_ff)
        right[:, index] = own
        return view.delta(self.layer, torch.eye(len(own)), right)


@contextmanager
def added(view: ModelView, changes: Sequence[Columns]) -> Generator[None]:
    """Inside, the model computes with the changes as they then are."""
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(add_to_output(view.projection(change.layer), change.added))
        yield


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question of a fact reached: mean NLL of the target, its least probable token, whether all are greedy."""

    fact: int
    nll: float
    least: float
    greedy: bool


@final
@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Questions over rows that travel together.

    Place i is read at column `columns[i]` of row `rows[i]` for question `owner[i]`, and means `tokens[i]`. `before`
    holds log p₀ at the places of what is to stay, which stand last.
    """

    view: ModelView
    questions: tuple[Question, ...]
    tail: Tail
    owner: Int[Tensor, " places"]
    rows: Int[Tensor, " places"]
    columns: Int[Tensor, " places"]
    tokens: Int[Tensor, " places"]
    before: Float[Tensor, "kept vocabulary"] | None = None

    def log_probs(self) -> Float[Tensor, "places vocabulary"]:
        """Log-probabilities of the next token at every place, in nats."""
        return head_logits(self.view, self.tail.final()[self.rows, self.columns]).float().log_softmax(-1)

    def remembering(self) -> Batch:
        """The same questions, with the model's present answers as those that are to stay."""
        if all(question.kind != "keep" for question in self.questions):
            return self
        with torch.no_grad():
            return replace(self, before=self.log_probs()[self._asked() :])

    def loss(self, over: Mean) -> tuple[Float[Tensor, ""], list[Answer]]:
        """The weighted sum over questions, each the mean or the largest over its places, and the facts' answers."""
        log_p, asked = self.log_probs(), self._asked()
        chosen = log_p[:asked].gather(-1, self.tokens[:asked, None])[:, 0]
        kinds = [self.questions[owner].kind for owner in self.owner[:asked].tolist()]
        avoid = torch.tensor([kind == "avoid" for kind in kinds], dtype=torch.bool, device=log_p.device)
        terms = torch.where(avoid, -torch.log1p(-chosen.exp().clamp_max(1 - 1e-6)), -chosen)
        if self.before is not None:
            kept = (self.before.exp() * (self.before - log_p[asked:])).sum(-1)
            terms = torch.cat([terms, kept])
        best = (log_p[:asked].argmax(-1) == self.tokens[:asked]).tolist()
        return self._weighted(terms, over), self._answers(chosen.detach().tolist(), best)

    def _asked(self) -> int:
        """Places that mean a token."""
        return sum(len(question.places) for question in self.questions if question.kind != "keep")

    def _weighted(self, terms: Float[Tensor, " places"], over: Mean) -> Float[Tensor, ""]:
        weights = torch.tensor([question.weight for question in self.questions], device=terms.device)
        if over == "max":
            each = terms.new_full((len(weights),), -torch.inf)
            return (weights * each.scatter_reduce(0, self.owner, terms, "amax")).sum()
        counts = torch.tensor([len(question.places) for question in self.questions], device=terms.device)
        return ((weights / counts)[self.owner] * terms).sum()

    def _answers(self, chosen: Sequence[float], best: Sequence[bool]) -> list[Answer]:
        found, start = list[Answer](), 0
        for question in self.questions:
            end = start + len(question.places)
            if question.kind == "learn" and question.fact is not None:
                own = torch.tensor(chosen[start:end])
                found.append(Answer(question.fact, -float(own.mean()), float(own.min().exp()), all(best[start:end])))
            start = end
        return found


def batches(view: ModelView, questions: Sequence[Question], block: int, together: int) -> list[Batch]:
    """The questions in batches of at most `together` texts of like length, from block `block` on."""
    texts = list(dict.fromkeys(question.ids for question in questions))
    parts = ({texts[at] for at in group} for group in groups([*map(len, texts)], together, view.device))
    return [batch(view, [q for q in questions if q.ids in group], block) for group in parts]


def batch(view: ModelView, questions: Sequence[Question], block: int) -> Batch:
    """The questions in one batch; a text that several of them share travels once."""
    ordered = sorted(questions, key=lambda question: question.kind == "keep")
    texts = {ids: row for row, ids in enumerate(dict.fromkeys(question.ids for question in ordered))}
    running = tail(view, list(texts), [0] * len(texts), block)
    places = [
        (owner, texts[question.ids], place, token)
        for owner, question in enumerate(ordered)
        for place, token in zip(question.places, question.tokens or (0,) * len(question.places), strict=True)
    ]
    columns = (torch.tensor(column, device=view.device) for column in zip(*places, strict=True))
    return Batch(view, tuple(ordered), running, *columns).remembering()


@final
class Descent:
    """Adam on the tensors `free`, under a loss over batches; `over` says how a question's places become one number.

    `penalty` is added to the loss, `bound` called after every step. Raises InputError for a learning rate that is
    negative or not finite.
    """

    def __init__(
        self,
        free: Sequence[Tensor],
        lr: float,
        over: Mean = "mean",
        penalty: Callable[[], Tensor] | None = None,
        bound: Callable[[], None] | None = None,
    ) -> None:
        if not 0 <= lr < inf:
            raise InputError(f"The learning rate {lr} is none: give a finite number from 0.")
        self._adam = torch.optim.Adam(list(free), lr=lr)
        self._over: Mean = over
        self._penalty, self._bound = penalty, bound

    def step(self, parts: Sequence[Batch], done: Callable[[Sequence[Answer]], bool]) -> tuple[list[Answer], bool]:
        """One step on all parts together, or none where their answers are `done`; the answers are those before it."""
        self._adam.zero_grad()
        answers: list[Answer] = []
        for number, part in enumerate(parts):
            with torch.enable_grad():
                loss, found = part.loss(self._over)
            _require_finite(loss)
            answers += found
            if number == len(parts) - 1 and done(answers):
                return answers, True
            loss.backward()
        if self._penalty is not None:
            with torch.enable_grad():
                self._penalty().backward()
        self._adam.step()
        if self._bound is not None:
            with torch.no_grad():
                self._bound()
        return answers, False

    @torch.no_grad()
    def read(self, parts: Sequence[Batch]) -> list[Answer]:
        """The answers as they are."""
        found: list[Answer] = []
        for part in parts:
            loss, answers = part.loss(self._over)
            _require_finite(loss)
            found += answers
        return found


def descend(
    descent: Descent, parts: Sequence[Batch], steps: int, done: Callable[[Sequence[Answer]], bool]
) -> tuple[list[Answer], int]:
    """Step on all parts until their answers are `done`, `steps` times at most; the last answers and the steps made."""
    for made in progress.steps(steps, "following the gradient"):
        answers, finished = descent.step(parts, done)
        if finished:
            return answers, made
    return descent.read(parts), steps


def surely(least: float) -> Callable[[Sequence[Answer]], bool]:
    """Every token of every target is the most probable one, and has a probability of `least` or more."""
    return lambda answers: all(answer.greedy and answer.least >= least for answer in answers)


def below(nll: float) -> Callable[[Sequence[Answer]], bool]:
    """The mean NLL over all answers is below `nll`, in nats; never for 0."""
    return lambda answers: sum(answer.nll for answer in answers) < nll * len(answers)


def measured(answers: Sequence[Answer], facts: int, steps: int) -> Mapping[str, Any]:
    """Of each fact: mean NLL over its contexts, its least probable target token, share of contexts with all greedy."""
    own = [[answer for answer in answers if answer.fact == number] for number in range(facts)]
    return {
        "nll": [sum(a.nll for a in some) / len(some) for some in own],
        "probability": [min(a.least for a in some) for some in own],
        "greedy": [sum(a.greedy for a in some) / len(some) for some in own],
        "steps": steps,
    }


def _require_finite(loss: Tensor) -> None:
    if not bool(torch.isfinite(loss)):
        raise EditError("The optimisation diverged: lower the learning rate or check the model for NaN.")

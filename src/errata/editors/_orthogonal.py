"""O-Edit's two subspaces, and what it does with them; `o_edit` and `o_edit_plus` differ in how they enforce them.

    U_e = the leading left singular vectors of ΔW_total          energy rule: errata.associative.subspace
    G   = Σ_x ∇_W L_LM(x; θ₀) on general text ,  G_q its rank-q SVD
    U_i = the left singular vectors of (I − U_e U_eᵀ) G_q
    L(δ) = NLL + KL + weight decay + λ₁ ‖U_eᵀδ‖/‖δ‖ + λ₂ ‖U_iᵀδ‖/‖δ‖          (enforce: loss)
    ΔW_t ← (I − UUᵀ) ΔW_t ,  U = orth[U_e, U_i]                                (enforce: post)
    δ ← (I − UUᵀ) δ after each step, with which the line above changes nothing  (enforce: in_loop)

ΔW_total is the sum of all edits in the weights; the edits themselves are not replayed. For MEMIT the residuals R take
δ's place in every edited layer, and all of them are shares of one δ: so the layers' matrices are taken as one wide
matrix, ΔW_total = [ΔW_total¹ … ΔW_totalᴸ] and G = [G¹ … Gᴸ], and U is the same in all. With a U of its own in each
layer, what one layer writes inside another's U is lost, and the edit with it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.associative.gradient import text_gradient
from errata.associative.guard import Guard
from errata.associative.subspace import RunningSum, away, orthonormal, thin_svd
from errata.deltas import Edit
from errata.editors._linear import LinearEditor
from errata.errors import InputError
from errata.facts import Fact
from errata.history import History
from errata.methods import Computed, Editor, editor
from errata.model.view import ModelView

ENFORCE = ("none", "loss", "in_loop", "post", "loss+post")
PROTECT = ("history", "implicit", "both")
SIDES = ("left", "right", "both")


@dataclass(frozen=True)
class OrthogonalEditor(Editor, ABC):
    """A closed-form editor whose updates keep away from earlier updates and from the model's implicit knowledge.

    [P]: the paper's own words, [S]: several descriptions agree, [D]: our reconstruction.

    `base`             the editor that is wrapped: rome, memit, memit_aligned or alphaedit [S: ROME and MEMIT]
    `enforce`          how: none, loss [S: O-Edit], post, loss+post [S: O-Edit+], in_loop [D]
    `protect`          what: history, implicit or both [S]
    `energy`           ε, the share of Σσ² of ΔW_total that U_e holds [D]
    `rank_cap`         U_e has at most rank_cap · d_model columns [D]
    `implicit_rank`    q, columns of U_i; None: d_model / 32, which is 128 for the models of the paper [D]
    `side`             left: the direction of the update is δ [D]; right: its keys; both
    `lambda_history`   λ₁ [D]
    `lambda_implicit`  λ₂ [D]
    `gradient_tokens`  tokens G is summed over [D]
    """

    base: Editor = field(default_factory=lambda: editor("rome"))
    enforce: Literal["none", "loss", "in_loop", "post", "loss+post"] = "loss"
    protect: Literal["history", "implicit", "both"] = "both"
    energy: float = 0.95
    rank_cap: float = 0.5
    implicit_rank: int | None = None
    side: Literal["left", "right", "both"] = "left"
    lambda_history: float = 0.5
    lambda_implicit: float = 0.5
    gradient_tokens: int = 20_000

    def __post_init__(self) -> None:
        for name, choices in (("enforce", ENFORCE), ("protect", PROTECT), ("side", SIDES)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(choices)}.")
        if not isinstance(self.base, LinearEditor):
            raise InputError(f"{self.name} cannot wrap {self.base.name}: choose rome, memit, memit_aligned, alphaedit.")

    @final
    def settled(self, view: ModelView) -> OrthogonalEditor:
        """With its base as it is for this model."""
        return replace(self, base=self.base.settled(view))

    @final
    def _edit(self, view: ModelView, facts: Sequence[Fact], history: History) -> Computed:
        base = cast(LinearEditor, self.base)
        guards = self.guards(view, history)
        found = base.compute(view, facts, history, guards)
        used = {str(layer): guard.basis.shape[1] / view.d_model for layer, guard in guards.items()}
        measured: dict[str, Any] = {**found.measured, "used": used}
        return Computed(found.deltas, measured, found.state)

    def guards(self, view: ModelView, history: History) -> dict[int, Guard]:
        """Of every edited layer its subspaces as the history leaves them; on the left all layers have the same."""
        layers = cast(LinearEditor, self.base).edited_layers(view)
        on_left, on_right = self.side in ("left", "both"), self.side in ("right", "both")
        on_history = self.protect != "implicit"
        past = torch.zeros(view.d_model, 0, dtype=torch.float64)
        if on_left and on_history:
            total = running_sum(view, layers, history)
            past = total.left[:, : total.leading(self.energy, self.rank_cap)]
        guard = Guard(
            history=past,
            implicit=self._implicit(view, layers, past, on_left and self.protect != "history"),
            keys=torch.zeros(view.d_ff, 0, dtype=torch.float64),
            weights=(self.lambda_history, self.lambda_implicit) if "loss" in self.enforce else None,
            in_loop=self.enforce == "in_loop",
            after="post" in self.enforce,
        )
        if not (on_right and on_history):
            return dict.fromkeys(layers, guard)
        own = {layer: running_sum(view, (layer,), history) for layer in layers}
        return {
            layer: replace(guard, keys=total.right[:, : total.leading(self.energy, self.rank_cap)])
            for layer, total in own.items()
        }

    def _implicit(
        self, view: ModelView, layers: Sequence[int], past: Float[Tensor, "d_model k"], wanted: bool
    ) -> Float[Tensor, "d_model q"]:
        """U_i: the left singular vectors of (I − U_e U_eᵀ) G_q."""
        rank = view.d_model // 32 if self.implicit_rank is None else self.implicit_rank
        if not wanted or rank == 0:
            return past[:, :0]
        key = ("implicit", tuple(layers), self.gradient_tokens)
        if key not in view.memo:
            gradients = text_gradient(view, layers, self.gradient_tokens)
            u, sizes, _ = thin_svd(torch.cat([gradients[layer] for layer in layers], dim=1))
            view.memo[key] = u * sizes
        scaled = cast(Tensor, view.memo[key])[:, :rank]
        return orthonormal(away(past, scaled))


def running_sum(view: ModelView, layers: Sequence[int], history: History) -> RunningSum:
    """[ΔW_total¹ … ΔW_totalᴸ] of the layers, `[d_model, L · d_ff]`: the sum of the history's deltas in factors."""

    def step(total: RunningSum, edit: Edit) -> RunningSum:
        own = [delta for delta in edit.deltas if delta.layer in layers]
        if not own:
            return total
        right = torch.zeros(sum(len(delta.right) for delta in own), len(layers), view.d_ff)
        row = 0
        for delta in own:
            right[row : row + len(delta.right), layers.index(delta.layer)] = delta.right.float().cpu()
            row += len(delta.right)
        return total.plus(torch.cat([delta.left for delta in own], dim=1), right.flatten(1))

    start = RunningSum.zero(view.d_model, len(layers) * view.d_ff)
    return history.fold(("running sum", tuple(layers)), lambda: start, step)

"""Integrated gradients of every layer's neurons at the last position, in one growing forward and one backward pass.

In a causal model, a change at the last position of layer l touches no other position and no layer below. So

1. the prompt without its last token goes through once and leaves its keys and values in a cache;
2. the last token goes on alone; the path points of layer l join the batch *at* layer l, as copies of the true row;
3. the value projection is linear, so a point scales its output: W(αk) + b = α(Wk) + b, in d_model space;
4. one backward pass returns g_j = ∂f/∂v at every point of every layer, and ∂f/∂k = Wᵀg gives all d_ff scores at once:

    scores[l] = k ∘ Wᵀ Σ_j w_j g_j

The batch grows by hooks alone, so the model's own forward runs: no architecture is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from errata.localizers._quadrature import Rule
from errata.model.hooks import first_tensor, frozen, with_first
from errata.model.prefix import PrefixCache, read_prefixes
from errata.model.scoring import Objective
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True, eq=False)
class PathScores:
    """For each prompt of a group: scores, and f(x) − f(0) of each layer."""

    scores: Float[Tensor, "prompts layers d_ff"]
    change: Float[Tensor, "prompts layers"]


@dataclass(slots=True, eq=False)
class _Growth:
    """The rows under way: `points` copies of each of `prompts` rows join at every layer."""

    prompts: int
    alphas: Float[Tensor, " points"]
    cache: PrefixCache
    keys: dict[int, Tensor] = field(default_factory=dict)
    leaves: dict[int, Tensor] = field(default_factory=dict)

    def join(self, _block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Before a block: append the new rows, and give every row its prompt's mask and positions."""
        hidden = args[0] if args else kwargs["hidden_states"]
        new = hidden[: self.prompts].repeat(len(self.alphas), *[1] * (hidden.ndim - 1))
        self.cache.owner = torch.cat(
            [self.cache.owner, torch.arange(self.prompts, device=hidden.device).repeat(len(self.alphas))]
        )
        grown = torch.cat([hidden, new])
        rest = {name: self._spread(value) for name, value in kwargs.items() if name != "hidden_states"}
        if args:
            return (grown, *(self._spread(value) for value in args[1:])), rest
        return args, {"hidden_states": grown, **rest}

    def _spread(self, value: Any) -> Any:
        """Repeat what is stored per prompt (or per prompt and head) for each of the prompt's rows."""
        if isinstance(value, tuple):
            return tuple(self._spread(part) for part in value)
        if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[0] == 1 or value.shape[0] % self.prompts:
            return value
        grouped = value.reshape(self.prompts, -1, *value.shape[1:])
        return grouped[self.cache.owner].flatten(0, 1)

    def scale(self, layer: int) -> Callable[[nn.Module, tuple[Tensor, ...], Any], Any]:
        """Behind the value projection: make α(v − b) + b of the new rows' outputs, as leaves of the graph."""

        def hook(projection: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
            out = first_tensor(output)
            bias = getattr(projection, "bias", None)
            count = self.prompts * len(self.alphas)
            old, new = out[:-count], out[-count:].detach()
            self.keys[layer] = inputs[0][: self.prompts].detach().reshape(self.prompts, -1)
            alphas = self.alphas.repeat_interleave(self.prompts).view(-1, *[1] * (out.ndim - 1)).to(out)
            leaf = alphas * new if bias is None else alphas * (new - bias) + bias
            self.leaves[layer] = leaf.detach().requires_grad_()
            return with_first(output, torch.cat([old, self.leaves[layer]]))

        return hook


def growing_pass(
    view: ModelView,
    ids: Int[Tensor, "prompts length"],
    targets: Int[Tensor, " prompts"],
    rule: Rule,
    objective: Objective,
) -> PathScores:
    """Score all layers for prompts of one length, each for one target token."""
    nodes, weights = (part.to(view.device, torch.float32) for part in rule)
    prompts = len(ids)
    alphas = torch.cat([nodes, nodes.new_zeros(1)])  # the last point, α = 0, has no weight: it gives f(0)
    with frozen(view.model):
        cache = read_prefixes(view, ids)
        growth = _Growth(prompts, alphas, cache)
        with ExitStack() as stack, torch.enable_grad():
            for block, projection in zip(view.structure.blocks, view.structure.projections, strict=True):
                stack.callback(block.register_forward_pre_hook(growth.join, with_kwargs=True).remove)
                stack.callback(projection.module.register_forward_hook(growth.scale(projection.layer)).remove)
            out = view.model(
                input_ids=ids[:, -1:], attention_mask=torch.ones_like(ids), past_key_values=cache, use_cache=True
            )
            log_p = out.logits[:, -1].float().log_softmax(-1)
            value = objective(log_p.gather(-1, targets[cache.owner][:, None])[:, 0])
            leaves = [growth.leaves[layer] for layer in range(view.n_layers)]
            gradients = torch.autograd.grad(value.sum(), leaves)
    points = value.detach()[prompts:].view(view.n_layers, len(alphas), prompts)
    scores = []
    for layer, gradient in enumerate(gradients):
        g = gradient.float().view(len(alphas), prompts, -1)[:-1]
        mean = torch.einsum("j,jpd->pd", weights, g)
        scores.append(growth.keys[layer].float() * (mean @ view.weight(layer).float()))
    change = value.detach()[:prompts, None] - points[:, -1].T
    return PathScores(torch.stack(scores, dim=1).cpu(), change.cpu())


def plain_pass(
    view: ModelView,
    ids: Int[Tensor, "prompts length"],
    targets: Int[Tensor, " prompts"],
    rule: Rule,
    objective: Objective,
) -> PathScores:
    """The same scores straight from the equations: every layer, every point, the whole prompt, neurons as leaves."""
    nodes, weights = (part.to(view.device, torch.float32) for part in rule)
    alphas = torch.cat([nodes, nodes.new_zeros(1)])
    scores = torch.zeros(len(ids), view.n_layers, view.d_ff)
    change = torch.zeros(len(ids), view.n_layers)
    for prompt, (row, target) in enumerate(zip(ids, targets, strict=True)):
        copies = row.repeat(len(alphas), 1)
        mask = torch.ones_like(copies)
        for layer, projection in enumerate(view.structure.projections):
            kept: dict[str, Tensor] = {}

            def at_points(_module: nn.Module, inputs: tuple[Tensor, ...], kept: dict[str, Tensor] = kept) -> Any:
                keys = inputs[0].view(len(alphas), ids.shape[1], -1)
                kept["key"] = keys[0, -1].detach()
                kept["leaf"] = (alphas[:, None].to(keys) * keys[:, -1]).detach().requires_grad_()
                mixed = torch.cat([keys[:, :-1], kept["leaf"][:, None]], dim=1).view(inputs[0].shape)
                return (mixed, *inputs[1:])

            with frozen(view.model), torch.enable_grad(), ExitStack() as stack:
                with torch.no_grad():
                    true = view.model(input_ids=copies[:1], attention_mask=mask[:1], use_cache=False).logits
                stack.callback(projection.module.register_forward_pre_hook(at_points).remove)
                logits = view.model(input_ids=copies, attention_mask=mask, use_cache=False).logits
                value = objective(logits[:, -1].float().log_softmax(-1)[:, target])
                (gradient,) = torch.autograd.grad(value.sum(), kept["leaf"])
            mean = (weights[:, None] * gradient.float()[:-1]).sum(0)
            scores[prompt, layer] = (kept["key"].float() * mean).cpu()
            at_one = objective(true[:, -1].float().log_softmax(-1)[:, target])[0]
            change[prompt, layer] = float(at_one - value.detach()[-1])
    return PathScores(scores, change)


def by_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Indices of rows of equal length, in groups of at most `size`."""
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(len(row), []).append(index)
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]

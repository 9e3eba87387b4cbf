"""Many variants of one position through a model at once: a layer's variants join the batch at that layer.

Changing layer l's feed-forward output v at one position leaves every lower layer as it was. So the variants of layer l
start as copies of the true row's state at layer l, and no lower layer ever sees them. Where attention is causal and the
position is the last one, nothing before it changes either: the prefix goes through once, its keys and values are kept,
and the variants are rows of a single token.

The batch grows by hooks, so the model's own forward runs and no architecture is known here. What is true of the model
at hand stands in a `Way` (see errata.model.ways).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from errata.model.fused import fused_activations
from errata.model.head import decoder_of, head_values
from errata.model.hooks import first_tensor, frozen, with_first
from errata.model.prefix import PrefixCache, Prefixes, attention_to_prefixes
from errata.model.scoring import Objective
from errata.model.tokens import takes_positions
from errata.model.view import ModelView


@dataclass(frozen=True, slots=True)
class Way:
    """How rows may travel through a model.

    `cached`  the last token goes on alone, behind kept keys and values
    `shared`  all rows of a prompt read one copy of its keys and values
    `padded`  prompts of different length may go together
    `common`  names of what blocks get once for all prompts, though its first size is not 1 (a bias for each head)
    `behind`  of each layer: its block adds v to the residual stream and does nothing more to it, so that variants of v
              can join behind the block; elsewhere they join in front of it, and v is changed where it is made
    """

    cached: bool
    shared: bool
    padded: bool
    behind: tuple[bool, ...]
    common: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Prompts of one pass. `ids` are the tokens that travel; `at` is the column of the position that varies.

    With `prefixes`, only the last tokens travel.
    """

    ids: Int[Tensor, "prompts width"]
    at: Int[Tensor, " prompts"]
    targets: Int[Tensor, " prompts"]
    prefixes: Prefixes | None = None

    def select(self, chosen: Sequence[int]) -> Prompts:
        """Some of the prompts."""
        index = list(chosen)
        prefixes = self.prefixes.select(index) if self.prefixes else None
        return Prompts(self.ids[index], self.at[index], self.targets[index], prefixes)


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What a pass found. Variant [j, p] of layer l is prompt p with v at `alphas[l][j, p]` of the way from b to v.

    `value`      f of the prompts as they are
    `values[l]`  f of layer l's variants `[points, prompts]`
    `slopes[l]`  ∂f/∂v at layer l's variants `[points, prompts, d_model]`
    `trunk[l]`   ∂f/∂v of layer l with nothing changed `[prompts, d_model]`, where asked for
    `keys[l]`    layer l's neurons k, those of this process `[prompts, own]`
    `moves[l]`   Wk = v − b `[prompts, d_model]`
    """

    value: Float[Tensor, " prompts"]
    values: list[Tensor]
    slopes: list[Tensor]
    trunk: list[Tensor]
    keys: list[Tensor]
    moves: list[Tensor]


def grow(
    view: ModelView,
    prompts: Prompts,
    alphas: Sequence[Float[Tensor, "_ prompts"]],
    objective: Objective,
    way: Way,
    with_trunk: bool = False,
    with_slopes: bool = True,
) -> Grown:
    """Run all variants of all layers in one growing forward and one backward pass; without slopes, forward only."""
    count = len(prompts.ids)
    cache = prompts.prefixes.cache(way.shared) if prompts.prefixes else None
    growth = _Growth(view, prompts.at, alphas, with_trunk, cache, way.common)
    with frozen(view.model), torch.set_grad_enabled(with_slopes):
        with _hooked(view, growth, way):
            final = _decode(view, prompts, growth)
        owner = growth.owner.to(final.device)
        states = final[torch.arange(len(owner), device=final.device), growth.at.to(final.device)]
        value, by_state = head_values(view, states, prompts.targets.to(final.device)[owner], objective, with_slopes)
        joined = sorted(growth.leaves) if with_slopes else []
        wanted = [*(growth.leaves[layer] for layer in joined), *growth.trunk]
        found = torch.autograd.grad(states, wanted, by_state.to(states.dtype)) if wanted else ()
    value, *found = view.ranks.agreed([value, *found])
    slopes = dict(zip(joined, found, strict=False))
    values = value[count:].split([points.numel() for points in alphas])
    none = states.new_zeros(0, count, view.d_model)
    return Grown(
        value[:count],
        [part.view(len(points), count) for part, points in zip(values, alphas, strict=True)],
        [slopes[layer].view(-1, *none.shape[1:]) if layer in slopes else none for layer in range(view.n_layers)],
        list(found[len(joined) :]),
        growth.keys,
        view.ranks.agreed(growth.moves),
    )


def _decode(view: ModelView, prompts: Prompts, growth: _Growth) -> Tensor:
    """The decoder's last state of every row."""
    decoder = decoder_of(view)
    if prompts.prefixes is None:
        return decoder(input_ids=prompts.ids, attention_mask=torch.ones_like(prompts.ids), use_cache=False)[0]
    mask = prompts.prefixes.mask
    place = {"position_ids": mask.sum(-1, keepdim=True) - 1} if takes_positions(decoder) else {}
    return decoder(input_ids=prompts.ids, attention_mask=mask, past_key_values=growth.cache, use_cache=True, **place)[0]


@contextmanager
def _hooked(view: ModelView, growth: _Growth, way: Way) -> Generator[None, None, None]:
    with ExitStack() as stack:
        stack.enter_context(fused_activations(view))
        if way.shared and growth.cache is not None:
            stack.enter_context(attention_to_prefixes(view, growth.cache))
        for projection, block, behind in zip(
            view.structure.projections, view.structure.blocks, way.behind, strict=True
        ):
            layer, module = projection.layer, projection.module
            stack.callback(block.register_forward_pre_hook(growth.enter(layer, behind), with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(growth.meet(layer, behind)).remove)
            if behind:
                stack.callback(block.register_forward_hook(growth.leave(layer)).remove)
        yield


@dataclass(slots=True, eq=False)
class _Growth:
    """The rows under way. Row i belongs to prompt `owner[i]`; the first rows are the prompts themselves."""

    view: ModelView
    place: Int[Tensor, " prompts"]
    alphas: Sequence[Float[Tensor, "_ prompts"]]
    with_trunk: bool
    cache: PrefixCache | None
    common: frozenset[str]
    owner: Int[Tensor, " rows"] = field(init=False)
    biases: list[Tensor | None] = field(init=False)
    keys: list[Tensor] = field(default_factory=list)
    moves: list[Tensor] = field(default_factory=list)
    leaves: dict[int, Tensor] = field(default_factory=dict)
    trunk: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owner = torch.arange(len(self.place))
        self.biases = [self.view.bias(layer) for layer in range(self.view.n_layers)]

    @property
    def at(self) -> Tensor:
        """The column of every row's position."""
        return self.place[self.owner.to(self.place.device)]

    def enter(self, layer: int, behind: bool) -> Callable[..., Any]:
        """In front of a block: rows that cannot join behind it join here, and every row gets its prompt's mask."""

        def hook(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            hidden = args[0] if args else kwargs["hidden_states"]
            if not behind and len(self.alphas[layer]):
                hidden = torch.cat([hidden, self._copies(hidden, layer).detach()])
                self._count(layer)
            rest = {name: self._spread(name, value) for name, value in kwargs.items() if name != "hidden_states"}
            if args:
                return (hidden, *(self._spread(str(at), value) for at, value in enumerate(args) if at > 0)), rest
            return args, {"hidden_states": hidden, **rest}

        return hook

    def meet(self, layer: int, behind: bool) -> Callable[..., Any]:
        """Behind a value projection: keep the prompts' neurons and v; change v of the rows that joined in front."""

        def hook(_projection: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
            flat, count = first_tensor(output), len(self.place)
            out = flat.view(len(self.owner), -1, flat.shape[-1])  # some models flatten rows and tokens
            keys = inputs[0].view(len(self.owner), -1, inputs[0].shape[-1])
            self.keys.append(self.view.ranks.part(_at(keys[:count], self.place).detach()))
            true = _at(out[:count], self.place).clone()  # some models add to an output in place
            bias = self.biases[layer]
            self.moves.append(true.detach() if bias is None else true.detach() - bias.to(true.device))
            if behind:
                return output
            joined = self.alphas[layer].numel()
            old = out[: len(out) - joined]
            if self.with_trunk:
                old = torch.cat([self._as_trunk(old[:count]), old[count:]])
            new = out[len(out) - joined :].detach()
            return with_first(output, torch.cat([old, self._varied(new, layer)]).view(flat.shape))

        return hook

    def leave(self, layer: int) -> Callable[..., Any]:
        """Behind a block: its variants join, with v at α of its way and everything else as in the prompts."""

        def hook(_block: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
            out, count = first_tensor(output), len(self.place)
            parts = [self._as_trunk(out[:count]), out[count:]] if self.with_trunk else [out]
            if len(self.alphas[layer]):
                self._count(layer)
                parts.append(self._varied(self._copies(out, layer).detach(), layer))
            return with_first(output, torch.cat(parts) if len(parts) > 1 else out)

        return hook

    def _copies(self, hidden: Tensor, layer: int) -> Tensor:
        return hidden[: len(self.place)].repeat(len(self.alphas[layer]), *[1] * (hidden.ndim - 1))

    def _count(self, layer: int) -> None:
        self.owner = torch.cat([self.owner, torch.arange(len(self.place)).repeat(len(self.alphas[layer]))])
        if self.cache is not None:
            self.cache.owner = self.owner

    def _varied(self, rows: Tensor, layer: int) -> Tensor:
        """rows + (α − 1)(v − b) at their position, where they become leaves of the graph."""
        if len(rows) == 0:
            return rows
        alphas = self.alphas[layer].to(rows.device)
        place = self.place.to(rows.device).repeat(len(alphas))
        change = ((alphas - 1)[..., None] * self.moves[layer].to(rows.device)).flatten(0, 1)
        self.leaves[layer] = (_at(rows, place) + change).to(rows.dtype).requires_grad_()
        index = (torch.arange(len(rows), device=rows.device), place)
        return rows.index_put(index, self.leaves[layer]) if rows.shape[1] > 1 else self.leaves[layer][:, None]

    def _as_trunk(self, rows: Tensor) -> Tensor:
        """The prompts' own rows, their states kept to be differentiated."""
        state = _at(rows, self.place)
        self.trunk.append(state if state.requires_grad else state.requires_grad_())
        index = (torch.arange(len(rows), device=rows.device), self.place.to(rows.device))
        return rows.index_put(index, state) if rows.shape[1] > 1 else state[:, None]

    def _spread(self, name: str, value: Any) -> Any:
        """Repeat what is stored per prompt (or per prompt and head) for each of the prompt's rows."""
        if isinstance(value, tuple):
            return tuple(self._spread(f"{name}.{at}", part) for at, part in enumerate(value))
        if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[0] == 1 or name in self.common:
            return value
        grouped = value.reshape(len(self.place), -1, *value.shape[1:])
        return grouped[self.owner.to(value.device)].flatten(0, 1)


def first_sizes(named: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The first size of every tensor among the arguments of a block, tuples opened, by name."""
    for name, value in named.items():
        if isinstance(value, tuple):
            yield from first_sizes({f"{name}.{at}": part for at, part in enumerate(value)})
        elif isinstance(value, Tensor) and value.ndim > 0:
            yield name, value.shape[0]


def _at(rows: Tensor, place: Tensor) -> Tensor:
    """rows[i, place[i]]."""
    if rows.shape[1] == 1:
        return rows[:, 0]
    return rows[torch.arange(len(rows), device=rows.device), place.to(rows.device)]

"""One pass over copies of a row in which neurons stand on a path: f, and each neuron's part of df/dα.

    k_t(α) = base_t + α (k_t − base_t),   v_t = W k_t(α) + b      of the layers on the path, at positions t
    f      = Σ_j objective(log p(y_j | x, y_<j))                  over the answer's tokens

With the base 0 at all positions this is W itself, scaled: v_t = αW k_t + b. No gradient has the size of W: from
∂f/∂(αW) = Σ_t (∂f/∂v_t) k_tᵀ, neuron i's part of df/dα is

    W_i · ∂f/∂(αW)_i = Σ_t (k_t − base_t)_i (Wᵀ ∂f/∂v_t)_i
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import UnsupportedModelError
from errata.localizers._asked import Row
from errata.model.head import decoder_of, head_logits
from errata.model.hooks import change_input, change_output, frozen
from errata.model.opaque import bias_of
from errata.model.scoring import Objective
from errata.model.view import ModelView

# A copy of a row: the layer that is on its path (None: all of them together), and α.
Point = tuple[int | None, float]


@dataclass(slots=True, eq=False)
class _Site:
    """Entries that a linear map is given or makes, on their path in some copies of the row.

    `seen` is what they are beyond the base, `probe` a zero added to the map's output, to be differentiated by; both
    `[copies, positions, width]`.
    """

    copies: list[int]
    alphas: Float[Tensor, " points"]
    at: list[int]
    base: Tensor | None = None
    seen: Tensor = field(init=False)
    probe: Tensor = field(init=False)

    def on_path(self, entries: Tensor) -> Tensor:
        """The entries, in the site's copies and positions at base + α (entries − base)."""
        rows = entries.reshape(len(self.alphas), -1, entries.shape[-1])
        copies, at = self._index(rows)
        own = rows[copies, at]
        base = torch.zeros_like(own) if self.base is None else self.base.to(own).expand_as(own)
        self.seen = (own - base).detach()
        alphas = self.alphas[self.copies].to(own)[:, None, None]
        return rows.index_put((copies, at), base + alphas * (own - base)).view(entries.shape)

    def probed(self, output: Tensor) -> Tensor:
        """The output with the probe added."""
        rows = output.reshape(len(self.alphas), -1, output.shape[-1])
        copies, at = self._index(rows)
        self.probe = torch.zeros_like(rows[copies, at], requires_grad=True)
        return rows.index_put((copies, at), self.probe, accumulate=True).view(output.shape)

    def _index(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        device = rows.device
        return torch.tensor(self.copies, device=device)[:, None], torch.tensor(self.at, device=device)[None]


def densities(
    view: ModelView,
    row: Row,
    points: Sequence[Point],
    objective: Objective,
    at: Sequence[int] | None = None,
    bases: Sequence[Float[Tensor, "positions width"]] | None = None,
    with_keys: bool = False,
) -> tuple[list[float], Float[Tensor, "points layers own"]]:
    """f at every point, and each neuron's part of df/dα there.

    A point with one layer on its path gives that layer alone, [points, 1, own]; points with all layers give all, and no
    call mixes them. `at` are the positions on the path, all by default; `bases[l]` what layer l's neurons are at α = 0
    there, zero by default. `with_keys` scales the rows of the maps that make the keys (key and gate) along with W, and
    counts them into their neurons. Raises UnsupportedModelError for key rows that are divided between processes.
    """
    if with_keys and view.ranks.count > 1:
        raise UnsupportedModelError(f"The key rows of {view.name} are divided between processes: score values alone.")
    alphas = torch.tensor([alpha for _, alpha in points], dtype=torch.float64)
    places = list(range(len(row.ids)) if at is None else at)
    copies = [[i for i, (own, _) in enumerate(points) if own in (None, layer)] for layer in range(view.n_layers)]
    layers = [layer for layer in range(view.n_layers) if copies[layer]]
    sites: list[list[_Site]] = []
    with frozen(view.model), torch.enable_grad(), ExitStack() as stack:
        for layer in layers:
            projection = view.structure.projections[layer]
            values = _Site(copies[layer], alphas, places, None if bases is None else bases[layer])
            stack.enter_context(change_input(projection.module, values.on_path))
            stack.enter_context(change_output(projection.module, values.probed))
            sites.append([values])
            for module in projection.key_maps if with_keys else ():
                bias = bias_of(module, torch.zeros(1, view.d_model, device=view.device, dtype=view.dtype))
                keys = _Site(copies[layer], alphas, places, bias)
                stack.enter_context(change_output(module, keys.on_path))
                stack.enter_context(change_output(module, keys.probed))
                sites[-1].append(keys)
        f = objective_of(view, [row] * len(points), objective)
        slopes = iter(torch.autograd.grad(f.sum(), [site.probe for own in sites for site in own]))
    together = points[0][0] is None
    found = torch.zeros(len(points), view.n_layers if together else 1, len(view.neurons), dtype=f.dtype)
    for layer, (values, *makers) in zip(layers, sites, strict=True):
        parts = _of_values(view, layer, values, next(slopes))
        for site in makers:
            parts = parts + _of_keys(site, next(slopes), view.d_ff)
        found[copies[layer], layer if together else 0] = parts.to("cpu", f.dtype)
    return f.detach().double().tolist(), found


def gradients(view: ModelView, row: Row, objective: Objective, at: Sequence[int]) -> Float[Tensor, "layers own"]:
    """Σ_t ∂f/∂k_t = Wᵀ Σ_t ∂f/∂v_t of every layer, over the positions `at`."""
    alphas = torch.ones(1, dtype=torch.float64)
    sites = [_Site([0], alphas, list(at)) for _ in range(view.n_layers)]
    with frozen(view.model), torch.enable_grad(), ExitStack() as stack:
        for layer, site in enumerate(sites):
            stack.enter_context(change_output(view.projection(layer), site.probed))
        f = objective_of(view, [row], objective)
        slopes = torch.autograd.grad(f.sum(), [site.probe for site in sites])
    pulled = [view.pull_back(layer, _wide(slope[0]).sum(0, keepdim=True)) for layer, slope in enumerate(slopes)]
    return torch.cat([row.cpu() for row in pulled])


def _of_values(view: ModelView, layer: int, site: _Site, slope: Tensor) -> Float[Tensor, "copies own"]:
    """Σ_t (k_t − base_t) ∘ Wᵀ ∂f/∂v_t."""
    keys = view.ranks.part(site.seen)
    pulled = view.pull_back(layer, _wide(slope).flatten(0, 1)).view(keys.shape)
    return (keys.to(pulled) * pulled).sum(1)


def _of_keys(site: _Site, slope: Tensor, d_ff: int) -> Float[Tensor, "copies d_ff"]:
    """Σ_t (W_in x_t) ∘ ∂f/∂z_t for z = W_in x + b; of a map that makes gate and key side by side, both."""
    entries = (_wide(site.seen) * _wide(slope)).sum(1)
    return entries.view(len(entries), -1, d_ff).sum(1)


def objective_of(view: ModelView, rows: Sequence[Row], objective: Objective) -> Float[Tensor, " rows"]:
    """f of every row, rows of one length; what hooks change takes part."""
    ids = torch.tensor([row.ids for row in rows], device=view.device)
    states = decoder_of(view)(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)[0]
    owner = [number for number, row in enumerate(rows) for _ in row.at]
    at, targets = [place for row in rows for place in row.at], [token for row in rows for token in row.targets]
    log_p = _wide(head_logits(view, states[owner, at])).log_softmax(-1)[range(len(owner)), targets]
    index = torch.tensor(owner, device=log_p.device)
    return torch.zeros(len(rows), dtype=log_p.dtype, device=log_p.device).index_add(0, index, objective(log_p))


def _wide(tensor: Tensor) -> Tensor:
    """In float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))

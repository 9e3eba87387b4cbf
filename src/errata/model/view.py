"""ModelView: a transformers model and tokenizer seen as a stack of key–value memories, v = W k."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Hashable, Iterable
from contextlib import contextmanager
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from errata.deltas import WeightDelta, fingerprint
from errata.errors import EditError, UnsupportedModelError
from errata.model.hooks import capture_inputs, capture_outputs, frozen
from errata.model.opaque import back_through, bias_of, device_of, why_opaque
from errata.model.parallel import Ranks, local, ranks_of
from errata.model.rounding import fold, spoilt
from errata.model.structure import Structure, find


class ModelView:
    """A causal language model whose layer l holds a linear memory v = W k, W `[d_model, d_ff]`.

    Orientation is the same for every architecture. The view remembers the unedited weight of every layer it writes
    to, so that what is applied can always be taken back exactly. It leaves no hook behind.

    `name` says where the model came from. `value_projection` resolves what structure leaves open (see
    `errata.model.structure.find`). Raises UnsupportedModelError when the memories cannot be found.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str = "",
        value_projection: str | None = None,
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UnsupportedModelError(
                f"{type(tokenizer).__name__} gives no character offsets: load the fast tokenizer of this model."
            )
        self.model = model
        self.tokenizer = tokenizer
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__
        self.structure: Structure = find(model, value_projection)
        self._base: dict[int, Tensor] = {}
        # What methods measured on this model and may use again; keys name everything the value depends on.
        self.memo: dict[Hashable, object] = {}

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.structure.projections)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.structure.projections[0].d_model

    @cached_property
    def d_ff(self) -> int:
        """Neurons in a layer; raises UnsupportedModelError where layers differ."""
        widths = {projection.d_ff for projection in self.structure.projections}
        if len(widths) > 1:
            raise UnsupportedModelError(f"Layers of different width ({sorted(widths)}) are not supported yet.")
        return widths.pop()

    @cached_property
    def ranks(self) -> Ranks:
        """The processes that share this model's neurons: one, unless tensor parallelism splits them."""
        first = self.structure.projections[0]
        if self._hidden(0):
            return Ranks(range(self.d_ff), self.d_ff)
        return ranks_of(first.name, self.parameter(0), 0 if first.transposed else 1)

    @property
    def neurons(self) -> range:
        """Indices of the neurons that this process holds: all d_ff of them, unless tensor parallelism splits them."""
        return self.ranks.own

    @property
    def device(self) -> torch.device:
        """Where the first value projection computes."""
        return device_of(self.projection(0))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the value projections, or what the model computes in where theirs is packed."""
        stored = self.parameter(0).dtype
        return stored if stored.is_floating_point and stored.itemsize >= 2 else self.model.dtype

    def projection(self, layer: int) -> nn.Module:
        """The value projection's module."""
        return self.structure.projections[layer].module

    def parameter(self, layer: int) -> Tensor:
        """The value projection's weight as the model stores it."""
        return self.projection(layer).get_parameter("weight")

    def weight(self, layer: int) -> Float[Tensor, "d_model own"]:
        """W of one layer, a view in canonical orientation: the columns of this process's `neurons`.

        Raises UnsupportedModelError for a weight that cannot be read as a matrix: packed, or offloaded.
        """
        projection, hidden = self.structure.projections[layer], self._hidden(layer)
        if hidden is not None:
            raise UnsupportedModelError(
                f"{projection.name} {hidden}: expected floating-point entries of W. Facts can be located in this "
                "model, but not edited: load it whole on its device and without quantisation for that."
            )
        stored = local(self.parameter(layer).detach())
        return stored.T if projection.transposed else stored

    def _hidden(self, layer: int) -> str | None:
        projection = self.structure.projections[layer]
        return why_opaque(projection.module, projection.d_ff, projection.d_model)

    def bias(self, layer: int) -> Float[Tensor, " d_model"] | None:
        """b of one layer's v = W k + b."""
        return bias_of(self.projection(layer), self._keys(layer, 1))

    def _keys(self, layer: int, rows: int) -> Float[Tensor, "rows own"]:
        """Any keys that a layer's module takes."""
        return torch.ones(rows, len(self.neurons), device=device_of(self.projection(layer)), dtype=self.dtype)

    def pull_back(self, layer: int, slopes: Float[Tensor, "rows d_model"]) -> Float[Tensor, "rows own"]:
        """Wᵀ ∂f/∂v = ∂f/∂k of every row; through the module itself where W cannot be read."""
        if self._hidden(layer):
            return back_through(self.projection(layer), slopes, self._keys(layer, len(slopes)))
        weight = self.weight(layer)
        return slopes.to(weight.device) @ weight.to(slopes.dtype)

    @property
    def editable(self) -> bool:
        """Whether edits can be made: every W can be read, and this process holds all of it."""
        return self.ranks.count == 1 and not any(self._hidden(layer) for layer in range(self.n_layers))

    def require_editable(self) -> None:
        """Raise UnsupportedModelError where an edit cannot be made: packed, offloaded or divided weights."""
        for layer in range(self.n_layers):
            self.weight(layer)
        if self.ranks.count > 1:
            raise UnsupportedModelError(
                f"The neurons of {self.name} are divided between {self.ranks.count} processes: expected all of them in "
                "one. Facts can be located in this model, but not edited: load it without tensor_parallel for that."
            )

    def base_weight(self, layer: int) -> Float[Tensor, "d_model d_ff"]:
        """W of one layer as it was before anything was written to it."""
        stored = self._base.get(layer)
        if stored is None:
            return self.weight(layer)
        return stored.T if self.structure.projections[layer].transposed else stored

    def layer_fingerprint(self, layer: int) -> str:
        """Fingerprint of a layer's unedited weight, as the model stores it; raises where that cannot be edited."""
        self.require_editable()
        return fingerprint(self._base.get(layer, self.parameter(layer)))

    def model_fingerprint(self) -> str:
        """One hash over the names and fingerprints of all unedited value projections: which model this is."""
        digest = hashlib.sha256()
        for projection in self.structure.projections:
            digest.update(f"{projection.name} {self.layer_fingerprint(projection.layer)}\n".encode())
        return digest.hexdigest()

    def weights_sha256(self) -> str:
        """SHA-256 over every parameter of the model as it now is, in name order."""
        digest = hashlib.sha256()
        for name, parameter in sorted(self.model.named_parameters()):
            digest.update(f"{name} {fingerprint(parameter)}\n".encode())
        return digest.hexdigest()

    def delta(self, layer: int, left: Float[Tensor, "d_model rank"], right: Float[Tensor, "rank d_ff"]) -> WeightDelta:
        """A delta for one layer of this model, stamped with the layer's name and base fingerprint."""
        return WeightDelta(layer, self.structure.projections[layer].name, left, right, self.layer_fingerprint(layer))

    @torch.no_grad()
    def write(self, layer: int, weight: Float[Tensor, "d_model d_ff"]) -> None:
        """Overwrite W of one layer; only ledger and `applied` do. Raises EditError for a weight of another shape."""
        self.require_editable()
        stored = self.parameter(layer)
        if tuple(weight.shape) != tuple(self.weight(layer).shape):
            raise EditError(f"Layer {layer} holds {tuple(self.weight(layer).shape)}, not {tuple(weight.shape)}.")
        if layer not in self._base:
            self._base[layer] = stored.detach().clone()
        stored.copy_(weight.T if self.structure.projections[layer].transposed else weight)

    @torch.no_grad()
    def restore(self, layers: Iterable[int] | None = None) -> None:
        """Give the layers (all by default) their unedited weights back, bit for bit."""
        for layer in list(self._base) if layers is None else layers:
            if layer in self._base:
                self.parameter(layer).copy_(self._base.pop(layer))

    @contextmanager
    def unedited(self) -> Generator[None, None, None]:
        """The unedited weights inside the block, for measuring; the present bits return after it. Write nothing inside.

        What the view remembers of the unedited weights stays as it is.
        """
        present = {layer: self.parameter(layer).detach().clone() for layer in self._base}
        try:
            self._copy(self._base)
            yield
        finally:
            self._copy(present)

    @torch.no_grad()
    def _copy(self, weights: dict[int, Tensor]) -> None:
        for layer, weight in weights.items():
            self.parameter(layer).copy_(weight)

    @contextmanager
    def applied(self, deltas: Iterable[WeightDelta]) -> Generator[None, None, None]:
        """Apply deltas on top of the present weights inside the block; the present weights return after it.

        Deltas are summed in order and rounded once. Raises EditError, and leaves the weights as they are, for another
        model's deltas and for deltas that make a weight NaN or infinite.
        """
        with self.holding(self.changed(deltas)):
            yield

    def changed(self, deltas: Iterable[WeightDelta]) -> Generator[tuple[int, Float[Tensor, "d_model d_ff"]]]:
        """The layers that deltas change, each with the W it would have; none is written. Raises as `applied` does."""
        self.require_editable()
        by_layer: dict[int, list[WeightDelta]] = {}
        for delta in deltas:
            self._check(delta)
            by_layer.setdefault(delta.layer, []).append(delta)
        for layer, own in by_layer.items():
            weight = fold(self.weight(layer), own)
            if spoilt(self.weight(layer), weight):
                raise EditError(
                    f"Layer {layer} would have weights that are NaN or infinite: the edit is too large, lower its "
                    "learning rate or bound it."
                )
            yield layer, weight

    @contextmanager
    def holding(self, weights: Iterable[tuple[int, Float[Tensor, "d_model d_ff"]]]) -> Generator[None, None, None]:
        """Hold these W, by layer, inside the block; the present weights return after it."""
        present: dict[int, Tensor] = {}
        known = set(self._base)
        try:
            for layer, weight in weights:
                present[layer] = self.weight(layer).clone()
                self.write(layer, weight)
            yield
        finally:
            for layer, weight in present.items():
                self.write(layer, weight)
            self._base = {layer: weight for layer, weight in self._base.items() if layer in known}

    def _check(self, delta: WeightDelta) -> None:
        if not 0 <= delta.layer < self.n_layers or delta.shape != tuple(self.weight(delta.layer).shape):
            raise EditError(
                f"The delta for {delta.module} has shape {delta.shape}, which is no layer of {self.name}: "
                "it was made for another model."
            )

    @torch.no_grad()
    def self_test(self, text: str = "The capital of France is Paris") -> list[float]:
        """Per layer, the largest |W k + b − output| relative to the largest output: the memories are what they seem.

        Where W cannot be read, v · v is compared with k · Wᵀv.
        """
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        modules = [projection.module for projection in self.structure.projections]
        with frozen(self.model), capture_inputs(modules) as keys, capture_outputs(modules) as values:
            self.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        return [self._recall_error(layer, keys, values) for layer in range(self.n_layers)]

    def _recall_error(self, layer: int, keys: dict[int, Tensor], values: dict[int, Tensor]) -> float:
        if layer not in keys:
            name = self.structure.projections[layer].name
            raise UnsupportedModelError(
                f"{name} took no part in a forward pass: name the map that did with value_projection='…'."
            )
        bias = self.bias(layer)
        made = values[layer].flatten(0, -2) - (0 if bias is None else bias)
        own = self.ranks.part(keys[layer].flatten(0, -2))
        if self._hidden(layer):  # Wᵀ is W's adjoint: v · v = k · Wᵀv
            found = (own.double() * self.pull_back(layer, made).double()).sum(-1)
            expected = made.double().square().sum(-1)
        else:
            found = self.ranks.total(own.double() @ self.weight(layer).double().T)
            expected = made.double()
        return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))

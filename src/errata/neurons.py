"""Attributions over layer × neuron, and the sets of neurons chosen from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from errata.errors import UNREADABLE, InputError
from errata.strict import json_in

Neuron = tuple[int, int]
FORMAT = "errata-neurons-1"


@dataclass(frozen=True, slots=True)
class NeuronSet:
    """A set of neurons `(layer, index)` of a model with `n_layers` layers of `d_ff` neurons.

    Supports `|`, `&`, `-`, `^`, `in`, `len` and iteration in order. `gap` is the completeness gap of the attribution
    the set was chosen from, in the attribution's unit; `None` where it has none.
    Raises InputError for a neuron outside the model and for operands of different shape.
    """

    n_layers: int
    d_ff: int
    members: frozenset[Neuron] = frozenset()
    gap: float | None = None

    def __post_init__(self) -> None:
        for layer, index in self.members:
            if not (0 <= layer < self.n_layers and 0 <= index < self.d_ff):
                raise InputError(
                    f"Neuron ({layer}, {index}) is outside a model of {self.n_layers} layers × {self.d_ff} neurons."
                )

    @classmethod
    def above(cls, scores: Float[Tensor, "layers d_ff"], threshold: float, gap: float | None = None) -> NeuronSet:
        """Keep the neurons with a positive score of at least `threshold` × the largest score over all layers.

        Raises InputError for a threshold outside 0 … 1 and for scores that are not finite.
        """
        if not 0 <= threshold <= 1:
            raise InputError(f"The threshold {threshold} is no share of the largest score: give a number from 0 to 1.")
        chosen = (scores >= threshold * _finite(scores).max()) & (scores > 0)
        return cls._from_mask(chosen, gap)

    @classmethod
    def at_least(cls, scores: Float[Tensor, "layers d_ff"], value: float, gap: float | None = None) -> NeuronSet:
        """Keep the neurons whose score is `value` or more; raises InputError for scores that are not finite."""
        return cls._from_mask(_finite(scores) >= value, gap)

    @classmethod
    def top(
        cls,
        scores: Float[Tensor, "layers d_ff"],
        count: int,
        gap: float | None = None,
        layers: Collection[int] | None = None,
    ) -> NeuronSet:
        """Keep the `count` neurons with the largest scores; ties go to the lower layer, then the lower index.

        With `layers` only theirs are kept, and fewer where they have not as many. Raises InputError for a negative
        count and for scores that are not finite.
        """
        if count < 0:
            raise InputError(f"There are no {count} neurons to choose: give a number from 0.")
        order = _finite(scores).flatten().sort(descending=True, stable=True).indices.cpu()
        if layers is not None:
            order = order[torch.isin(order // scores.shape[1], torch.tensor(sorted(layers), dtype=torch.long))]
        mask = torch.zeros(scores.numel(), dtype=torch.bool)
        mask[order[:count]] = True
        return cls._from_mask(mask.view_as(scores), gap)

    @classmethod
    def _from_mask(cls, mask: Tensor, gap: float | None) -> NeuronSet:
        members = frozenset((int(layer), int(index)) for layer, index in mask.nonzero().tolist())
        return cls(mask.shape[0], mask.shape[1], members, gap)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Neuron]:
        return iter(sorted(self.members))

    def __contains__(self, neuron: object) -> bool:
        return neuron in self.members

    def __or__(self, other: NeuronSet) -> NeuronSet:
        return self._with(self.members | self._checked(other))

    def __and__(self, other: NeuronSet) -> NeuronSet:
        return self._with(self.members & self._checked(other))

    def __sub__(self, other: NeuronSet) -> NeuronSet:
        return self._with(self.members - self._checked(other))

    def __xor__(self, other: NeuronSet) -> NeuronSet:
        return self._with(self.members ^ self._checked(other))

    def jaccard(self, other: NeuronSet) -> float:
        """|A ∩ B| / |A ∪ B|; 1 for two empty sets."""
        union = len(self | other)
        return len(self & other) / union if union else 1.0

    @property
    def histogram(self) -> tuple[int, ...]:
        """Number of neurons in each layer."""
        counts = [0] * self.n_layers
        for layer, _ in self.members:
            counts[layer] += 1
        return tuple(counts)

    def in_layer(self, layer: int) -> tuple[int, ...]:
        """Indices of the set's neurons in one layer, ascending."""
        return tuple(index for at, index in self if at == layer)

    def save(self, path: str | Path) -> None:
        """Write the set as JSON."""
        row = {"format": FORMAT, "n_layers": self.n_layers, "d_ff": self.d_ff, "gap": self.gap, "neurons": list(self)}
        Path(path).write_text(json.dumps(row) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> NeuronSet:
        """Read a set written by `save`; raises InputError for anything else."""
        try:
            row = json_in(Path(path))
            if row["format"] != FORMAT:
                raise ValueError(f"its format is {row['format']!r}, expected {FORMAT!r}")
            numbers = [row["n_layers"], row["d_ff"], *(number for pair in row["neurons"] for number in pair)]
            if not all(type(number) is int for number in numbers) or not isinstance(row["gap"], float | int | None):
                raise ValueError("its numbers are not what they should be")
            members = frozenset((layer, index) for layer, index in row["neurons"])
            return cls(row["n_layers"], row["d_ff"], members, row["gap"])
        except InputError as error:
            raise InputError(f"{path} is not a usable neuron set: {error}") from error
        except UNREADABLE as error:
            raise InputError(
                f"{path} is not a neuron set ({error}): expected a file that NeuronSet.save wrote."
            ) from error

    def _checked(self, other: NeuronSet) -> frozenset[Neuron]:
        if (self.n_layers, self.d_ff) != (other.n_layers, other.d_ff):
            raise InputError(
                f"Neuron sets of {self.n_layers} × {self.d_ff} and {other.n_layers} × {other.d_ff} do not combine: "
                "they belong to different models."
            )
        return other.members

    def _with(self, members: Iterable[Neuron]) -> NeuronSet:
        return NeuronSet(self.n_layers, self.d_ff, frozenset(members))


def _finite(scores: Tensor) -> Tensor:
    if scores.numel() == 0 or not bool(torch.isfinite(scores).all()):
        raise InputError("The scores are empty or have NaN or infinite entries: no neuron can be chosen by them.")
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Scores of one fact over layer × neuron, with what the scores of a layer should add up to.

    `scores[l, i]`  attribution of neuron i of layer l, in the objective's unit
    `change[l]`     f(x) − f(0): the objective with layer l's neurons as they are, less with all of them at zero;
                    None for scores that are no shares of a change of their layer, as a detector's
    `gaps[l]`       |Σ_i scores[l, i] − change[l]|, the completeness gap: the error of the quadrature
    `total`         f(x) − f(0) with all layers at zero together, of scores that add up over all layers
    """

    scores: Float[Tensor, "layers d_ff"]
    change: Float[Tensor, " layers"] | None
    neurons: NeuronSet
    method: str
    objective: str
    answer: str
    settings: dict[str, object] = field(default_factory=dict)
    total: float | None = None

    @property
    def gaps(self) -> Float[Tensor, " layers"] | None:
        """Completeness gap of each layer; None where there is nothing to add up to."""
        if self.change is None:
            return None
        return (self.scores.double().sum(-1) - self.change.double()).abs().float()

    @property
    def gap(self) -> float | None:
        """The largest completeness gap of any layer, or that of all together; None where nothing adds up."""
        if self.total is not None:
            return abs(float(self.scores.double().sum()) - self.total)
        return None if self.gaps is None else float(self.gaps.max())

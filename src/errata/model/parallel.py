"""Tensor parallelism: which neurons this process holds, and how the processes come to one result.

Each rank holds some columns of W, so it makes its own part of k and of Wᵀ ∂f/∂v; everything of width d_model is the
same on all ranks. What ranks decide by is taken from the first one, so that none of them waits for a call that the
others do not make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor, Shard

from errata.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """The processes that share a model's d_ff neurons; this one holds `own` of them, in every layer.

    `group` is None where one process holds all; `device` is where the group's tensors live.
    """

    own: range
    d_ff: int
    group: dist.ProcessGroup | None = None
    device: str = "cpu"

    @property
    def count(self) -> int:
        """Number of ranks."""
        return 1 if self.group is None else dist.get_world_size(self.group)

    def part(self, neurons: Float[Tensor, "*some width"]) -> Float[Tensor, "*some own"]:
        """This rank's part of neurons that may be all of them: some models join the parts before W.

        Raises UnsupportedModelError for any other number of neurons.
        """
        width = neurons.shape[-1]
        if self.group is None or width == len(self.own):
            return neurons
        if width != self.d_ff:
            raise UnsupportedModelError(
                f"A value projection was given {width} neurons where this rank holds {len(self.own)} of {self.d_ff}: "
                "this way of splitting a model is not supported. Load it with errata.load(…, tensor_parallel=N)."
            )
        return neurons[..., self.own.start : self.own.stop]

    def whole(self, part: Float[Tensor, "*some own"]) -> Float[Tensor, "*some d_ff"]:
        """All neurons, the same on every rank, from each rank's own: no number is rounded on the way."""
        if self.group is None:
            return part
        every = part.new_zeros(*part.shape[:-1], self.d_ff)
        every[..., self.own.start : self.own.stop] = part
        return self.total(every)

    def total(self, addend: Tensor) -> Tensor:
        """The sum over the ranks."""
        if self.group is None:
            return addend
        found = addend.to(self.device, copy=True)
        dist.all_reduce(found, group=self.group)
        return found.to(addend.device)

    def agreed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The first rank's tensors, on every rank."""
        if self.group is None:
            return list(tensors)
        found = [tensor.detach().contiguous().clone() for tensor in tensors]
        for tensor in found:
            dist.broadcast(tensor, src=dist.get_global_rank(self.group, 0), group=self.group)
        return found

    def smallest(self, number: int) -> int:
        """The smallest of the ranks' numbers."""
        if self.group is None:
            return number
        found = torch.tensor(number, device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MIN, group=self.group)
        return int(found)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def ranks_of(name: str, weight: Tensor, columns: int) -> Ranks:
    """The ranks that share the columns of a W, which are dimension `columns` of its stored `weight`.

    Raises UnsupportedModelError for a weight that is split in any other way.
    """
    d_ff = weight.shape[columns]
    if not isinstance(weight, DTensor) or all(placement.is_replicate() for placement in weight.placements):
        return Ranks(range(d_ff), d_ff)
    mesh, placement = weight.device_mesh, weight.placements[0]
    if mesh.ndim != 1 or type(placement) is not Shard or placement.dim % weight.ndim != columns:
        raise UnsupportedModelError(
            f"{name} is split as {weight.placements}: expected ranks that hold whole columns of W, one value vector a "
            "neuron. Load the model with errata.load(…, tensor_parallel=N)."
        )
    size = -(-d_ff // mesh.size())
    start = min(mesh.get_local_rank() * size, d_ff)
    return Ranks(range(start, min(start + size, d_ff)), d_ff, mesh.get_group(), mesh.device_type)

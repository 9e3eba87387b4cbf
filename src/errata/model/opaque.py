"""Linear maps whose weight cannot be read as a matrix: packed by quantisation, or kept off their device.

Such a map is known by what its module computes. It is linear all the same, so Wᵀg is the gradient of g · (W k + b) with
respect to k, at any k: the module's own backward pass gives it, in the precision the module computes in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parameter import Parameter
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from errata.errors import UnsupportedModelError
from errata.model.parallel import local


def why_opaque(module: nn.Module, d_in: int, d_out: int) -> str | None:
    """What hides the matrix of a linear map; None where its weight can be read."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return "holds no weight"
    stored = local(weight)
    if stored.is_meta:
        return "keeps its weight off its device (offloaded)"
    plain = type(stored) in (Tensor, Parameter) and stored.is_floating_point() and stored.itemsize >= 2
    if not plain or sorted(weight.shape) != sorted((d_in, d_out)):
        return f"stores {type(stored).__name__} {weight.dtype} {tuple(weight.shape)}, a packed (quantised) weight"
    return None


def back_through(
    module: nn.Module, slopes: Float[Tensor, "rows d_out"], keys: Float[Tensor, "rows d_in"]
) -> Float[Tensor, "rows d_in"]:
    """Wᵀ g of every row by the module's own backward pass; `keys` are any inputs of the dtype it computes in."""
    with torch.enable_grad():
        leaf = keys.detach().requires_grad_()
        output = module(leaf)
        if not output.requires_grad:
            raise no_gradient(type(module).__name__)
        (found,) = torch.autograd.grad(output, leaf, slopes.to(output))
    return found.to(slopes.dtype)


@torch.no_grad()
def bias_of(module: nn.Module, keys: Float[Tensor, "rows d_in"]) -> Float[Tensor, " d_out"] | None:
    """b of a linear map; asked of the module at 0 · k where it is off its device."""
    bias = getattr(module, "bias", None)
    if not isinstance(bias, Tensor):
        return None
    return module(0 * keys)[0] if bias.is_meta else local(bias.detach())


def no_gradient(name: str) -> UnsupportedModelError:
    """The error for a module through which no gradient comes back."""
    return UnsupportedModelError(
        f"No gradient comes back through {name}: expected modules that can be differentiated. Quantise the weights "
        "alone, not the activations, or load the model without quantisation."
    )


def device_of(module: nn.Module) -> torch.device:
    """Where a linear map computes: for an offloaded one, where accelerate's hook brings its weight.

    Raises UnsupportedModelError for one that nothing brings back.
    """
    stored = module.get_parameter("weight").device
    if stored.type != "meta":
        return stored
    found = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    if found is None:
        raise UnsupportedModelError(
            f"A {type(module).__name__} holds no weight ({stored}) and nothing would load it: load the model's weights."
        )
    return torch.device(found)


def parts_of(tensor: Tensor) -> Iterator[Tensor]:
    """The plain tensors that hold a tensor's entries: itself, or what a packed or divided one is made of."""
    if not is_traceable_wrapper_subclass(tensor):
        yield tensor
        return
    inner = (getattr(tensor, name) for name in cast(Any, tensor).__tensor_flatten__()[0])
    for part in inner:
        if isinstance(part, Tensor):
            yield from parts_of(part)

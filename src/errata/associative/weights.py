"""The fingerprint of a model's unedited weights, hashed anew only where a parameter changed."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from errata.deltas import fingerprint
from errata.model.view import ModelView


def unedited_sha256(view: ModelView) -> str:
    """SHA-256 over the model's class and every parameter as it was before any edit, in name order.

    Each parameter's hash is kept with the view, and with what tells cheaply whether the parameter changed since: its
    place and version in memory and the sum of its bits.
    """
    base = {f"{p.name}.weight": view.base_weight(p.layer) for p in view.structure.projections}
    digest = hashlib.sha256(f"{type(view.model).__name__}\n".encode())
    for name, parameter in sorted(view.model.named_parameters()):
        digest.update(f"{name} {_hash(view, name, base.get(name, parameter.detach()))}\n".encode())
    return digest.hexdigest()


def _hash(view: ModelView, name: str, weight: Tensor) -> str:
    weight = weight if weight.is_contiguous() else weight.T
    state = (weight.data_ptr(), weight._version, weight.dtype, weight.shape, _bits(weight.contiguous()))
    key = ("fingerprint", name)
    known = view.memo.get(key)
    if not isinstance(known, tuple) or known[0] != state:
        view.memo[key] = known = (state, fingerprint(weight))
    return str(known[1])


@torch.no_grad()
def _bits(weight: Tensor) -> int:
    bits = weight.view(-1).view(torch.uint8)
    whole = bits.numel() // 8 * 8
    return int(bits[:whole].view(torch.int64).sum()) + int(bits[whole:].sum())

"""Weight deltas in factors, and edits: ordered deltas with their provenance, in one safetensors file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from errata.errors import UNREADABLE, InputError
from errata.facts import Fact
from errata.strict import json_of

FORMAT = "errata-edit-1"
STATE = "state."


def fingerprint(weight: Tensor) -> str:
    """SHA-256 over dtype, shape and bytes of a tensor: equal exactly for bit-identical tensors."""
    digest = hashlib.sha256(f"{weight.dtype} {tuple(weight.shape)} ".encode())
    digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class WeightDelta:
    """ΔW = left · right for the value projection of one layer: left `[d_model, rank]`, right `[rank, d_ff]`, float32.

    `base` is the fingerprint of the unedited parameter the delta was made for.
    Raises InputError for factors that do not fit together or are not finite, and for a layer below zero.
    """

    layer: int
    module: str
    left: Float[Tensor, "d_model rank"]
    right: Float[Tensor, "rank d_ff"]
    base: str

    def __post_init__(self) -> None:
        if self.layer < 0:
            raise InputError(f"The delta for {self.module} names layer {self.layer}: layers count from 0.")
        for name in ("left", "right"):
            factor = getattr(self, name)
            if factor.ndim != 2 or not factor.is_floating_point():
                found = f"{factor.dtype} in {factor.ndim} dimensions"
                raise InputError(f"The {name} factor for {self.module} is {found}: expected floating point in 2.")
            if not bool(torch.isfinite(factor).all()):
                raise InputError(f"The {name} factor for {self.module} has NaN or infinite entries: it is unusable.")
            object.__setattr__(self, name, factor.detach().float().cpu().contiguous())
        if self.left.shape[1] != self.right.shape[0]:
            raise InputError(
                f"The factors for {self.module} have ranks {self.left.shape[1]} and {self.right.shape[0]}: "
                "expected the same."
            )

    @property
    def rank(self) -> int:
        """Number of columns of `left`."""
        return self.left.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(d_model, d_ff)."""
        return self.left.shape[0], self.right.shape[1]

    def dense(self) -> Float[Tensor, "d_model d_ff"]:
        """The full ΔW in float32."""
        return self.left @ self.right

    def norm(self) -> float:
        """‖ΔW‖_F from the factors: √tr((leftᵀleft)(right·rightᵀ))."""
        left, right = self.left.double(), self.right.double()
        return float(((left.T @ left) * (right @ right.T)).sum().clamp_min(0).sqrt())


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """An ordered list of weight deltas that makes some facts true, with how it was computed.

    `state` is what the method's later edits need to know of this one, such as its keys; it changes no weight.
    Raises InputError for a state that is not finite.
    """

    deltas: tuple[WeightDelta, ...]
    method: str
    facts: tuple[Fact, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, tensor in self.state.items():
            if not bool(torch.isfinite(tensor).all()):
                raise InputError(f"The edit's {name} has NaN or infinite entries: later edits could not go on from it.")

    def norm(self) -> float:
        """Root of the summed squared norms of the deltas."""
        return sum(delta.norm() ** 2 for delta in self.deltas) ** 0.5

    def to_bytes(self) -> bytes:
        """The edit as one safetensors file; the same edit gives the same bytes.

        Raises InputError for settings or measurements that are not JSON.
        """
        tensors = {}
        for i, delta in enumerate(self.deltas):
            tensors[f"{i}.left"], tensors[f"{i}.right"] = delta.left, delta.right
        for name, tensor in self.state.items():
            tensors[STATE + name] = tensor.detach().cpu().contiguous()
        header = {
            "method": self.method,
            "facts": [asdict(fact) for fact in self.facts],
            "settings": dict(self.settings),
            "measured": dict(self.measured),
            "versions": dict(self.versions),
            "deltas": [{"layer": d.layer, "module": d.module, "base": d.base} for d in self.deltas],
        }
        try:
            text = json.dumps(header, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"The edit cannot be saved ({error}): settings and measurements must be JSON.") from error
        # One metadata entry: safetensors writes several in no particular order, and equal edits are equal bytes.
        return save(tensors, {FORMAT: text})

    def save(self, path: str | Path) -> None:
        """Write the edit to a file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Edit:
        """Read an edit written by `save`; raises InputError for any other file."""
        try:
            with safetensors.safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if FORMAT not in metadata:
                    raise ValueError(f"its header has no {FORMAT!r} entry")
                header = json_of(metadata[FORMAT])
                deltas = tuple(
                    WeightDelta(
                        layer=int(row["layer"]),
                        module=str(row["module"]),
                        left=file.get_tensor(f"{i}.left"),
                        right=file.get_tensor(f"{i}.right"),
                        base=str(row["base"]),
                    )
                    for i, row in enumerate(header["deltas"])
                )
                names = [name for name in file.keys() if name.startswith(STATE)]  # noqa: SIM118 (not a mapping)
                state = {name.removeprefix(STATE): file.get_tensor(name) for name in names}
            return cls(
                deltas=deltas,
                method=str(header["method"]),
                facts=tuple(Fact(**row) for row in header["facts"]),
                **{name: dict(header[name].items()) for name in ("settings", "measured", "versions")},
                state=state,
            )
        except InputError as error:
            raise InputError(f"{path} is not a usable edit: {error}") from error
        except (*UNREADABLE, safetensors.SafetensorError) as error:
            raise InputError(f"{path} is not an edit ({error}): expected a file that Edit.save wrote.") from error

"""A trained detector: its weights, how it is asked and read, and where it comes from, in one safetensors file.

Weights are stored in float16, and what is measured is measured with the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from errata.detectors.stored import contents, to_bytes
from errata.detectors.weights import Weights
from errata.errors import UNREADABLE, InputError
from errata.ledger.disk import write_durably

FORMAT = "errata-detector-1"


@dataclass(frozen=True, eq=False)
class Trained:
    """A detector of one kind for one model.

    `kind`         land or fact_code
    `fingerprint`  `ModelView.model_fingerprint` of the model it was trained for
    `threshold`    t: the share of the highest attribution a neuron of the input must reach
    `answer`       how the output is read: {"threshold": P}, or {"size": …, "layers": w, "sharpness": β}
    `memory`       the training facts' codes `[facts, rank]` of a fact code; None for land
    `provenance`   the model's name, data, facts, seed, settings, losses, versions
    """

    kind: str
    weights: Weights
    fingerprint: str
    threshold: float
    answer: Mapping[str, Any]
    memory: Float[Tensor, "facts rank"] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write the detector; the file is there whole or not at all."""
        header = {
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "threshold": self.threshold,
            "answer": dict(self.answer),
            "provenance": dict(self.provenance),
        }
        tensors = {"encode": self.weights.encode.half(), "decode": self.weights.decode.half()}
        if self.memory is not None:
            tensors["memory"] = self.memory.half()
        write_durably(Path(path), to_bytes(FORMAT, header, tensors))

    @classmethod
    def load(cls, path: str | Path) -> Trained:
        """Read a detector; raises InputError for anything else."""
        try:
            header, stored = contents(path, FORMAT)
            tensors = {name: tensor.float() for name, tensor in stored.items()}
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
                raise ValueError("its weights are not finite")
            weights, memory = Weights(tensors["encode"], tensors["decode"]), tensors.get("memory")
            if memory is not None and (memory.ndim != 2 or memory.shape[1] != weights.shape[2]):
                raise ValueError(f"its memory has the shape {tuple(memory.shape)}")
            answer, provenance = dict(header["answer"]), dict(header["provenance"])
            threshold = float(header["threshold"])
            kind, fingerprint = str(header["kind"]), str(header["fingerprint"])
            if not 0 <= threshold <= 1 or not _READ[kind](answer, weights.shape[0]):
                raise ValueError(f"it is read by {header['answer']!r} from {threshold}")
            return cls(kind, weights, fingerprint, threshold, answer, memory, provenance)
        except (*UNREADABLE, SafetensorError, InputError) as error:
            raise InputError(f"{path} is not a detector ({error}): give a file that errata train wrote.") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reads_code(answer: Mapping[str, Any], n_layers: int) -> bool:
    layers: Any = answer["layers"]
    size, sharpness = answer["size"], answer["sharpness"]
    weighted = isinstance(layers, list) and len(layers) == n_layers and all(map(_is_number, layers))
    return weighted and type(size) is int and size >= 0 and _is_number(sharpness)


# By kind, whether an answer says how that kind's output is read.
_READ: Mapping[str, Callable[[Mapping[str, Any], int], bool]] = {
    "land": lambda answer, _: _is_number(answer["threshold"]),
    "fact_code": _reads_code,
}


def shipped(kind: str, model: str) -> Path | None:
    """The detector that comes with an embedded model; None for any other."""
    path = Path(str(files("errata.detectors"))) / "shipped" / f"{model}.{kind}.safetensors"
    return path if model.startswith("pocket-") and path.is_file() else None

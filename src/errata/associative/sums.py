"""The running sums Σ k kᵀ of one layer, in two halves, with the keys held out to see whether the halves agree."""

from __future__ import annotations

from math import inf
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from errata.associative.convergence import error_of

HELD_OUT = 8  # rows of the first batch, and at most a quarter of it


@final
class Sums:
    """Sums of a layer's keys over the batches so far, in float64 on the processor; `error` is as of the last check."""

    def __init__(self, d_ff: int) -> None:
        self.halves = [torch.zeros(d_ff, d_ff, dtype=torch.float64) for _ in range(2)]
        self.counts = [0, 0]
        self.held_out: Float[Tensor, "keys d_ff"] = torch.empty(0, d_ff, dtype=torch.float64)
        self.batches = self.checked = 0
        self.error, self.seconds = inf, 0.0

    def add(self, keys: Float[Tensor, "rows positions d_ff"]) -> None:
        """Add a batch: its first rows to one half, the others to the other."""
        if self.batches == 0:
            held = min(HELD_OUT, len(keys) // 4)
            self.held_out = keys[:held].flatten(0, 1).double().cpu()
            keys = keys[held:]
        wide = keys.double() if keys.device.type == "cuda" else keys.cpu().double()  # not every device has float64
        for half, part in enumerate(wide.tensor_split(2)):
            rows = part.flatten(0, 1)
            self.halves[half] += (rows.T @ rows).cpu()
            self.counts[half] += len(rows)
        self.batches += 1

    def check(self) -> None:
        """Measure how far the halves are apart, unless that is known for these batches."""
        if self.checked < self.batches:
            one, other = (half / count for half, count in zip(self.halves, self.counts, strict=True))
            self.error, self.checked = error_of(one, other, self.held_out), self.batches

    @property
    def due(self) -> bool:
        """Whether a check is due: when the number of batches has doubled."""
        return self.batches & (self.batches - 1) == 0

    def mean(self) -> Float[Tensor, "d_ff d_ff"]:
        """C over both halves."""
        return (self.halves[0] + self.halves[1]) / sum(self.counts)

    def tensors(self) -> dict[str, Tensor]:
        """What a run that goes on needs, beside `header`."""
        return {"one": self.halves[0], "other": self.halves[1], "held_out": self.held_out}

    def header(self) -> dict[str, Any]:
        """The numbers beside `tensors`."""
        names = ("counts", "batches", "checked", "seconds")
        return {**{name: getattr(self, name) for name in names}, "error": finite(self.error)}

    @classmethod
    def restored(cls, d_ff: int, tensors: dict[str, Tensor], header: dict[str, Any]) -> Sums:
        """The sums that `tensors` and `header` were taken from; raises one of UNREADABLE for others'."""
        found = cls(0)
        found.halves = [whole(tensors[name], d_ff, d_ff) for name in ("one", "other")]
        found.held_out = whole(tensors["held_out"], len(tensors["held_out"]), d_ff)
        one, other = map(int, header["counts"])
        found.counts, found.batches, found.checked = [one, other], int(header["batches"]), int(header["checked"])
        found.error, found.seconds = unbounded(header["error"]), float(header["seconds"])
        return found


def whole(matrix: Tensor, rows: int, columns: int) -> Tensor:
    """The matrix; raises ValueError for another shape or dtype than those written, or entries that are not finite."""
    if matrix.shape != (rows, columns) or matrix.dtype != torch.float64 or not bool(torch.isfinite(matrix).all()):
        raise ValueError(f"expected {rows} × {columns} finite numbers, found {tuple(matrix.shape)} of {matrix.dtype}")
    return matrix


def finite(error: float) -> float | None:
    """An error as JSON knows it: None for infinity."""
    return None if error == inf else error


def unbounded(error: float | None) -> float:
    """The error that `finite` wrote."""
    return inf if error is None else float(error)

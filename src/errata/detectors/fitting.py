"""Fit a detector's weights by Adam, with checkpoints from which a stopped run goes on to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from errata.detectors.weights import Weights
from errata.errors import UNREADABLE, InputError, TrainingError
from errata.ledger.disk import write_durably
from errata.strict import json_of

# Steps between checkpoints.
EVERY = 2000
NAMES = ("encode", "decode")

# The loss of step s, and the learning rate there as a share of the highest.
Loss = Callable[[Weights, int], Float[Tensor, ""]]
Schedule = Callable[[int], float]


def fit(
    begin: Weights,
    steps: int,
    learning_rate: float,
    loss: Loss,
    *,
    schedule: Schedule = lambda _: 1.0,
    checkpoint: Path | None = None,
    job: str = "",
    title: str = "training",
    silent: bool = False,
) -> tuple[Weights, list[float]]:
    """Weights after `steps` of Adam, and the mean loss of every hundredth of the way.

    With `checkpoint`, weights and moments are written there now and then, and read if they are of the same `job`.
    Raises TrainingError when the loss is no longer finite.
    """
    parameters = [tensor.clone().requires_grad_() for tensor in (begin.encode, begin.decode)]
    adam = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    start, sums = _resumed(checkpoint, job, parameters, adam) if checkpoint else (0, [0.0] * 100)
    with tqdm(total=steps, initial=start, desc=title, unit="step", disable=silent or None) as bar:
        for step in range(start, steps):
            for group in adam.param_groups:
                group["lr"] = learning_rate * schedule(step)
            adam.zero_grad()
            found = loss(Weights(*parameters), step)
            found.backward()
            value = float(found.detach())
            if not isfinite(value):
                raise TrainingError(
                    f"The loss is {value} in step {step + 1} of {steps}: lower the learning rate {learning_rate}."
                )
            adam.step()
            sums[step * 100 // steps] += value
            bar.update()
            if checkpoint and (step + 1) % EVERY == 0 and step + 1 < steps:
                write_durably(checkpoint, _state(parameters, adam, job, step + 1, sums))
    counts = [0] * 100
    for step in range(steps):
        counts[step * 100 // steps] += 1
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    encode, decode = (parameter.detach() for parameter in parameters)
    return Weights(encode, decode), [total / count for total, count in zip(sums, counts, strict=True) if count]


def _state(parameters: list[Tensor], adam: torch.optim.Adam, job: str, step: int, sums: list[float]) -> bytes:
    tensors: dict[str, Tensor] = {}
    for name, parameter in zip(NAMES, parameters, strict=True):
        moments = adam.state[parameter]
        tensors |= {
            name: parameter.detach(),
            f"{name}.mean": moments["exp_avg"],
            f"{name}.square": moments["exp_avg_sq"],
        }
    return save(tensors, {"job": job, "step": str(step), "losses": json.dumps(sums)})


def _resumed(path: Path, job: str, parameters: list[Tensor], adam: torch.optim.Adam) -> tuple[int, list[float]]:
    """Step and losses of the checkpoint, whose numbers are put in place; the beginning where there is none to use."""
    fresh = (0, [0.0] * 100)
    if not path.exists():
        return fresh
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("job") != job:
                return fresh
            step, sums = int(header["step"]), [float(loss) for loss in json_of(header["losses"])]
            if step < 0 or len(sums) != len(fresh[1]):
                raise ValueError(f"it has {len(sums)} losses of step {step}")
            for name, parameter in zip(NAMES, parameters, strict=True):
                held, mean, square = (file.get_tensor(f"{name}{end}") for end in ("", ".mean", ".square"))
                if any(tensor.shape != parameter.shape for tensor in (held, mean, square)):
                    raise ValueError(f"its numbers of {name} have another shape")
                state: dict[str, Any] = {"step": torch.tensor(float(step)), "exp_avg": mean, "exp_avg_sq": square}
                with torch.no_grad():
                    parameter.copy_(held)
                adam.state[parameter] = state
    except (*UNREADABLE, SafetensorError) as error:
        raise InputError(f"The checkpoint {path} cannot be read ({error}): delete it to begin anew.") from error
    return step, sums

"""Fitting: a run that was stopped goes on to the same bits, and what cannot go on is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from errata.detectors import fitting
from errata.detectors.fitting import fit
from errata.detectors.weights import Weights
from errata.errors import InputError, TrainingError

STEPS = 23
BEGIN = Weights.random(2, 10, 3, torch.Generator().manual_seed(0))


class StopError(Exception):
    """What stops a run."""


def distance(weights: Weights, step: int) -> torch.Tensor:
    """To a point that is another one in every step."""
    generator = torch.Generator().manual_seed(step)
    aims = (torch.rand(tensor.shape, generator=generator) for tensor in (weights.encode, weights.decode))
    return sum(
        ((tensor - aim).square().sum() for tensor, aim in zip((weights.encode, weights.decode), aims, strict=True)),
        torch.zeros(()),
    )


def stops_at(stop: int) -> Callable[[Weights, int], torch.Tensor]:
    def loss(weights: Weights, step: int) -> torch.Tensor:
        if step == stop:
            raise StopError
        return distance(weights, step)

    return loss


def run(loss: Callable[[Weights, int], torch.Tensor] = distance, **more: object) -> tuple[Weights, list[float]]:
    return fit(BEGIN, STEPS, 0.05, loss, schedule=lambda step: 1 / (1 + step), silent=True, **more)  # pyright: ignore


def equal(one: Weights, other: Weights) -> bool:
    return torch.equal(one.encode, other.encode) and torch.equal(one.decode, other.decode)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "EVERY", 5)


@pytest.mark.parametrize("stop", [3, 5, 13, 22])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, stop: int) -> None:
    path = tmp_path / "checkpoint"
    whole, losses = run()
    with pytest.raises(StopError):
        run(stops_at(stop), checkpoint=path, job="job")
    assert path.exists() == (stop >= 5)
    steps: list[int] = []
    again, again_losses = run(lambda w, step: (steps.append(step), distance(w, step))[1], checkpoint=path, job="job")
    assert steps == list(range(stop // 5 * 5, STEPS))
    assert equal(again, whole) and again_losses == losses
    assert not path.exists()


def test_it_goes_downhill_from_where_it_began() -> None:
    found, losses = run()
    assert len(losses) == STEPS and losses[-1] < losses[0]
    assert not found.encode.requires_grad and not equal(found, BEGIN)
    assert losses[0] == pytest.approx(float(distance(BEGIN, 0)))


def test_losses_are_means_of_hundredths_of_the_way() -> None:
    _, losses = fit(BEGIN, 250, 0.0, lambda weights, step: weights.encode.sum() * 0 + step, silent=True)
    assert len(losses) == 100
    steps: list[list[int]] = [[] for _ in range(100)]
    for step in range(250):
        steps[step * 100 // 250].append(step)
    assert losses == pytest.approx([sum(part) / len(part) for part in steps])


def test_another_jobs_checkpoint_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with pytest.raises(StopError):
        run(stops_at(13), checkpoint=path, job="one")
    found, losses = run(checkpoint=path, job="another")
    whole, whole_losses = run()
    assert equal(found, whole) and losses == whole_losses


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with pytest.raises(StopError):
        run(stops_at(13), checkpoint=path, job="job")
    sound = path.read_bytes()
    for content in (b"", b"text", sound[:-20], sound.replace(b'"encode"', b'"ENCODE"')):
        path.write_bytes(content)
        with pytest.raises(InputError, match="delete it to begin anew"):
            run(checkpoint=path, job="job")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(value: float) -> None:
    with pytest.raises(TrainingError, match="step 8 of 23"):
        run(lambda weights, step: distance(weights, step) * (value if step == 7 else 1.0))

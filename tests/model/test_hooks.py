"""Hooks: what they see and change, and that they, modes and flags are as before afterwards, whatever happened."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from errata.model.hooks import (
    capture_inputs,
    capture_outputs,
    change_input,
    change_output,
    count_hooks,
    first_tensor,
    frozen,
    with_first,
)
from tests.tiny import ARCHITECTURES, tiny


class Pair(nn.Module):
    """A block that returns a tuple and adds to an inner output in place."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        y = self.inner(x)
        y += 100
        return y, "kept"


class BodyError(Exception):
    pass


OPENED: list[Callable[[nn.Module], AbstractContextManager[Any]]] = [
    lambda module: change_input(module, torch.neg),
    lambda module: change_output(module, torch.neg),
    lambda module: capture_inputs([module]),
    lambda module: capture_outputs([module]),
    frozen,
]


def state(model: nn.Module) -> tuple[Any, ...]:
    return (
        count_hooks(model),
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
    )


@pytest.mark.parametrize("opened", OPENED)
def test_nothing_is_left_behind_even_when_the_body_raises(opened: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.Linear(3, 3))
    model[1].eval()
    model[2].bias.requires_grad_(False)
    before = state(model)
    with pytest.raises(BodyError), opened(model[0]):
        model(torch.ones(1, 3))
        raise BodyError
    assert state(model) == before


@pytest.mark.parametrize("opened", OPENED[:4])
def test_nothing_is_left_behind_when_the_model_raises(opened: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError), opened(model[0]):
        assert count_hooks(model) == 1
        model(torch.ones(1, 4))
    assert count_hooks(model) == 0


def test_inputs_and_outputs_are_captured_by_place() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    with torch.no_grad(), capture_inputs([model[1], model[0]]) as inputs, capture_outputs(list(model)) as outputs:
        y = model(x)
    assert torch.equal(inputs[1], x)
    assert torch.equal(inputs[0], outputs[0])
    assert torch.equal(outputs[1], y)


def test_a_captured_output_is_not_changed_by_what_follows() -> None:
    block, x = Pair(), torch.randn(2, 3)
    with torch.no_grad(), capture_outputs([block.inner, block]) as seen:
        y, _ = block(x)
    assert torch.equal(seen[0], block.inner(x))
    assert torch.equal(seen[1], y)


def test_inputs_and_outputs_are_replaced() -> None:
    block, x = Pair(), torch.randn(2, 3)
    with torch.no_grad():
        plain, _ = block(x)
        with change_output(block, lambda y: 2 * y):
            doubled, text = block(x)
        with change_input(block, lambda value: value + 1):
            moved, _ = block(x)
        assert text == "kept"
        assert torch.equal(doubled, 2 * plain)
        assert torch.equal(moved, block(x + 1)[0])
        assert torch.equal(plain, block(x)[0])


def test_the_main_tensor_travels_alone_or_first() -> None:
    one, other = torch.ones(1), torch.zeros(1)
    assert first_tensor(one) is one
    assert first_tensor((one, "rest")) is one
    assert with_first(one, other) is other
    assert with_first((one, "rest"), other) == (other, "rest")


def test_hooks_of_every_kind_are_counted() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    model[0].register_forward_hook(lambda *_: None)
    model[0].register_forward_pre_hook(lambda *_: None)
    model[0].register_full_backward_hook(lambda *_: None)
    model.register_full_backward_pre_hook(lambda *_: None)
    model[0].weight.register_hook(lambda _: None)
    assert count_hooks(model) == 5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frozen_means_evaluation_without_parameter_gradients(architecture: str) -> None:
    view = tiny(architecture)
    model = view.model.train()
    model.get_submodule(view.structure.stack)[0].eval()
    before = state(model)
    with frozen(model):
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
        with frozen(model):
            pass
        assert not model.training
    assert state(model) == before
    assert model.training

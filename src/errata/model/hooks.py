"""Capture and change what flows through modules: context managers that always clean up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]


def first_tensor(value: Tensor | tuple) -> Tensor:
    """A module's main input or output, whether it travels alone or first in a tuple."""
    return value[0] if isinstance(value, tuple) else value


def with_first(value: Tensor | tuple, tensor: Tensor) -> Tensor | tuple:
    """`value` with its main tensor replaced."""
    return (tensor, *value[1:]) if isinstance(value, tuple) else tensor


@contextmanager
def change_input(module: nn.Module, change: Change) -> Iterator[None]:
    """Replace the module's first positional input x by change(x)."""
    handle = module.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def change_output(module: nn.Module, change: Change) -> Iterator[None]:
    """Replace the module's main output y by change(y)."""
    handle = module.register_forward_hook(lambda _, __, output: with_first(output, change(first_tensor(output))))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def capture_inputs(modules: Sequence[nn.Module]) -> Iterator[dict[int, Tensor]]:
    """Collect each module's first input, by its place in `modules`."""
    seen: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[place] = inputs[0]

        return hook

    with ExitStack() as stack:
        for place, module in enumerate(modules):
            stack.callback(module.register_forward_pre_hook(keep(place)).remove)
        yield seen


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no parameter gradients inside; mode and flags as before outside."""
    training = model.training
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def count_hooks(model: nn.Module) -> int:
    """Number of hooks registered anywhere in the model."""
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in model.modules()
    )

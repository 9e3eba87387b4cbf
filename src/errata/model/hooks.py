"""Capture and change what flows through modules: context managers that always clean up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]


def first_tensor(value: Tensor | tuple[Any, ...]) -> Tensor:
    """A module's main input or output, whether it travels alone or first in a tuple."""
    return value[0] if isinstance(value, tuple) else value


def with_first(value: Tensor | tuple[Any, ...], tensor: Tensor) -> Tensor | tuple[Any, ...]:
    """`value` with its main tensor replaced."""
    return (tensor, *value[1:]) if isinstance(value, tuple) else tensor


@contextmanager
def change_input(module: nn.Module, change: Change) -> Generator[None, None, None]:
    """Replace the module's first positional input x by change(x)."""

    def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(inputs[0]), *inputs[1:])

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def before_each_pass(module: nn.Module, call: Callable[[], None]) -> Generator[None, None, None]:
    """Call `call` before every pass through the module; what it raises ends the pass."""

    def hook(_module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        call()

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def change_output(module: nn.Module, change: Change) -> Generator[None, None, None]:
    """Replace the module's main output y by change(y)."""

    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        return with_first(output, change(first_tensor(output)))

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def add_to_output(module: nn.Module, addend: Change) -> Generator[None, None, None]:
    """Add addend(x) to the module's main output, x its first positional input."""

    def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        main = first_tensor(output)
        return with_first(output, main + addend(inputs[0]).to(main.dtype))

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def capture_inputs(modules: Sequence[nn.Module]) -> Generator[dict[int, Tensor], None, None]:
    """Collect each module's first input, by its place in `modules`."""
    seen: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen[place] = inputs[0]

        return hook

    with ExitStack() as stack:
        for place, module in enumerate(modules):
            stack.callback(module.register_forward_pre_hook(keep(place)).remove)
        yield seen


@contextmanager
def capture_outputs(modules: Sequence[nn.Module]) -> Generator[dict[int, Tensor], None, None]:
    """Collect a copy of each module's main output, by its place in `modules`; some models add to an output in place."""
    seen: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            seen[place] = first_tensor(output).clone()

        return hook

    with ExitStack() as stack:
        for place, module in enumerate(modules):
            stack.callback(module.register_forward_hook(keep(place)).remove)
        yield seen


@contextmanager
def frozen(model: nn.Module) -> Generator[None, None, None]:
    """Evaluation mode and no parameter gradients inside; every module's mode and every flag as before outside."""
    modes = [(module, module.training) for module in model.modules()]
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    try:
        model.eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for name, parameter in model.named_parameters():  # not the same objects where weights were loaded and dropped
            parameter.requires_grad_(flags[name])


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def count_hooks(model: nn.Module) -> int:
    """Number of hooks registered anywhere in the model, on modules and on parameters."""
    holders = [*model.modules(), *model.parameters()]
    return sum(len(getattr(holder, name, None) or ()) for holder in holders for name in HOOKS)

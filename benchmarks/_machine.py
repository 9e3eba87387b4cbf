"""What a machine does with a piece of work: seconds, multiplications a second, memory, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

aten = torch.ops.aten
MULTIPLIES = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::_scaled_dot_product")


@dataclass(frozen=True)
class Contestant:
    """Work to be timed: `run(i)` is its i-th run, `warm()` a smaller one that is not counted."""

    run: Callable[[int], Tensor]
    warm: Callable[[], object]
    runs: int


@dataclass
class Timing:
    """The seconds of each run, those that the processors worked for it, and what it returned."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)

    def to_dict(self) -> dict[str, float]:
        return {
            "median": self.median,
            "lowest": min(self.seconds),
            "highest": max(self.seconds),
            "runs": len(self.seconds),
            "processor": median(self.processor_seconds),
        }


def interleaved(contestants: Mapping[str, Contestant], device: torch.device) -> dict[str, Timing]:
    """Time all contestants in turns, A B A B …; who has fewer runs than another takes part in fewer rounds, evenly."""
    found = {name: Timing() for name in contestants}
    for contestant in contestants.values():
        contestant.warm()
    rounds = max(contestant.runs for contestant in contestants.values())
    for turn in range(rounds):
        for name, contestant in contestants.items():
            done = len(found[name].seconds)
            if (turn + 1) * contestant.runs // rounds > done:
                synchronize(device)
                started, worked = time.perf_counter(), time.process_time()
                output = contestant.run(done)
                synchronize(device)
                found[name].seconds.append(time.perf_counter() - started)
                found[name].processor_seconds.append(time.process_time() - worked)
                found[name].outputs.append(output)
    return found


def synchronize(device: torch.device) -> None:
    """Wait for work that is still under way."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large square product: the best size's median."""
    rates = []
    for size in (2048, 3072) if device.type == "cpu" else (4096, 8192):
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        out = torch.empty_like(left)
        contestant = Contestant(
            run=lambda _, a=left, b=right, out=out: torch.mm(a, b, out=out),
            warm=lambda a=left, b=right, out=out: torch.mm(a, b, out=out),
            runs=7,
        )
        rates.append(2 * size**3 / interleaved({"product": contestant}, device)["product"].median)
    return max(rates)


def attention_flops(query: Any, key: Any, value: Any, *_rest: Any, **_named: Any) -> int:
    """Q Kᵀ and P V; key and value may have fewer heads than the query."""
    batch, heads, rows, width = query
    return 2 * batch * heads * rows * key[2] * (width + value[3])


def attention_backward_flops(_gradient: Any, query: Any, key: Any, value: Any, *_rest: Any, **_named: Any) -> int:
    """Q Kᵀ again, and the gradients of P, V, Q and K."""
    batch, heads, rows, width = query
    return 2 * batch * heads * rows * key[2] * (3 * width + 2 * value[3])


# PyTorch's own formulas leave out the attention kernels of a CPU and products in place, and want as many key heads as
# query heads.
FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten.addmm_: flop_registry[aten.addmm],
    aten.baddbmm_: flop_registry[aten.baddbmm],
    aten._scaled_dot_product_flash_attention_for_cpu: shape_wrapper(attention_flops),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: shape_wrapper(attention_backward_flops),
    aten._scaled_dot_product_flash_attention: shape_wrapper(attention_flops),
    aten._scaled_dot_product_flash_attention_backward: shape_wrapper(attention_backward_flops),
    aten._scaled_dot_product_efficient_attention: shape_wrapper(attention_flops),
    aten._scaled_dot_product_efficient_attention_backward: shape_wrapper(attention_backward_flops),
    aten._scaled_dot_product_cudnn_attention: shape_wrapper(attention_flops),
    aten._scaled_dot_product_cudnn_attention_backward: shape_wrapper(attention_backward_flops),
}


class FlopCounter(TorchDispatchMode):
    """Adds up the matrix products executed inside; unlike FlopCounterMode it puts no hooks on the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.flops += int(formula(*args, **(kwargs or {}), out_val=found))
        return found


def count_flops(run: Callable[[], object]) -> int:
    """Floating-point operations of all matrix products that are executed, forward and backward."""
    with FlopCounter() as counter:
        run()
    return counter.flops


def profile(run: Callable[[], object], smallest: float = 0.01) -> dict[str, Any]:
    """Shares of the time on the processor, operation by operation, and of all matrix products together."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        run()
    spent = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(spent.values())
    shares = {name: time / total for name, time in sorted(spent.items(), key=lambda item: -item[1])}
    return {
        "matrix_products": sum(share for name, share in shares.items() if name.startswith(MULTIPLIES)),
        "operations": {name: share for name, share in shares.items() if share >= smallest},
        "operations_below": {"each": smallest, "together": sum(s for s in shares.values() if s < smallest)},
    }

"""One cell of the attribution benchmark: a model and a prompt length, every rule and batch size against both rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from _machine import Contestant, Timing, interleaved, matmul_rate
from _published import captum_scores, plain_scores
from _shapes import Prompts
from torch import Tensor

from errata import ModelView
from errata.localizers._paths import path_scores
from errata.localizers._quadrature import quadrature
from errata.model.scoring import OBJECTIVES

PROBABILITY = OBJECTIVES["probability"]
PUBLISHED = ("riemann-right", 20)
Rule = tuple[str, int]


@dataclass(frozen=True)
class Runs:
    """How often each is timed; the rivals take one prompt a run, the next one each time."""

    single: int = 7
    batch: int = 3
    plain: int = 3
    captum: int = 3


@dataclass(frozen=True)
class Cell:
    """What is measured together: Errata's rules, each in batches, and the rivals with the rules given for them."""

    length: int
    rules: tuple[Rule, ...]
    plain: tuple[Rule, ...]
    captum: tuple[Rule, ...]
    batches: tuple[int, ...]
    runs: Runs


def fast_scores(view: ModelView, prompts: Prompts, rule: Rule) -> Tensor:
    """Errata's own scores `[prompts, layers, d_ff]`."""
    return path_scores(view, prompts.rows, prompts.targets, quadrature(*rule), PROBABILITY).scores


def part(prompts: Prompts, count: int, start: int = 0) -> Prompts:
    """Some prompts in a row."""
    return Prompts(prompts.rows[start : start + count], prompts.targets[start : start + count])


def measure(view: ModelView, prompts: Prompts, cell: Cell) -> list[dict[str, Any]]:
    """Time everything in turns; one row for each of Errata's rules and batch sizes."""
    times = interleaved(_contestants(view, prompts, cell), view.device)
    rate = matmul_rate(view.device, view.dtype)
    return [
        {
            "model": view.name,
            "dtype": str(view.dtype).removeprefix("torch."),
            "tokens": cell.length,
            "rule": rule[0],
            "points": rule[1],
            "batch": batch,
            **_compare(times, rule, batch, prompts),
            "matmul_rate": rate,
        }
        for rule in cell.rules
        for batch in cell.batches
    ]


def measure_growth(
    view: ModelView, ends: tuple[Prompts, Prompts], rules: tuple[Rule, ...], batch: int
) -> list[dict[str, Any]]:
    """How the time grows from short prompts to long ones, timed in turns: Errata's rules, and the plain scheme."""
    contestants: dict[str, Contestant] = {}
    for prompts in ends:
        length = len(prompts.rows[0])
        cell = Cell(length, rules, (PUBLISHED,), (), (1, batch), Runs(single=9))
        contestants |= {f"{length} {key}": one for key, one in _contestants(view, prompts, cell).items()}
    times = interleaved(contestants, view.device)
    found = []
    for who, rule, size in [("plain", PUBLISHED, 1), *(("fast", rule, size) for rule in rules for size in (1, batch))]:
        short, long = (times[f"{len(prompts.rows[0])} {_key(who, rule, size)}"] for prompts in ends)
        found.append(
            {
                "scheme": "plain" if who == "plain" else "errata",
                "rule": rule[0],
                "points": rule[1],
                "batch": size,
                "growth": long.median / short.median,
                "seconds": [short.to_dict(), long.to_dict()],
            }
        )
    return found


def _contestants(view: ModelView, prompts: Prompts, cell: Cell) -> dict[str, Contestant]:
    """Warm-ups are smaller where the work is long: the lowest layer for the rivals, eight prompts for a batch."""
    found: dict[str, Contestant] = {}
    row, target, lowest = prompts.rows[0], prompts.targets[0], [0]

    def at(run: int) -> tuple[list[int], int]:
        start = _start(run, 1, prompts)
        return prompts.rows[start], prompts.targets[start]

    def fast(batch: int, rule: Rule, run: int) -> Tensor:
        return fast_scores(view, part(prompts, batch, _start(run, batch, prompts)), rule)

    def plain(rule: tuple[Tensor, Tensor], run: int) -> Tensor:
        return plain_scores(view, *at(run), rule)

    def captum(rule: Rule, run: int) -> Tensor:
        return captum_scores(view, *at(run), *rule)

    for rule in cell.plain:
        nodes = quadrature(*rule)
        warm: Callable[[], object] = partial(plain_scores, view, row, target, nodes, lowest)
        found[_key("plain", rule)] = Contestant(partial(plain, nodes), warm, cell.runs.plain)
    for rule in cell.captum:
        warm = partial(captum_scores, view, row, target, *rule, lowest)
        found[_key("captum", rule)] = Contestant(partial(captum, rule), warm, cell.runs.captum)
    for rule in cell.rules:
        for batch in cell.batches:
            warm = partial(fast_scores, view, part(prompts, min(batch, 8)), rule)
            runs = cell.runs.single if batch == 1 else cell.runs.batch
            found[_key("fast", rule, batch)] = Contestant(partial(fast, batch, rule), warm, runs)
    return found


def _start(run: int, batch: int, prompts: Prompts) -> int:
    """The first prompt of a run: the next one each time, as far as there are enough of them."""
    return run % (len(prompts.rows) - batch + 1)


def _key(who: str, rule: Rule, batch: int = 1) -> str:
    return f"{who} {rule[0]} {rule[1]} {batch}"


def _compare(times: dict[str, Timing], rule: Rule, batch: int, prompts: Prompts) -> dict[str, Any]:
    """Seconds of one run, ratios of median seconds a prompt, and largest differences on the prompts both scored."""
    own = times[_key("fast", rule, batch)]
    found: dict[str, Any] = {
        "seconds": own.to_dict(),
        "prompts_per_second": batch / own.median,
    }
    rivals = {"plain": _key("plain", rule), "captum": _key("captum", rule), "published": _key("plain", PUBLISHED)}
    for name, key in rivals.items():
        if key in times:
            found[f"{name}_seconds"] = times[key].to_dict()
            found[f"ratio_{name}"] = times[key].median / (own.median / batch)
            found[f"ratio_{name}_of_lowest"] = min(times[key].seconds) / (min(own.seconds) / batch)
            if name != "published":
                found[f"{name}_prompts_timed"] = len(times[key].outputs)
                found[f"largest_difference_{name}"] = _difference(own, times[key], batch, prompts)
    return found


def _difference(own: Timing, other: Timing, batch: int, prompts: Prompts) -> float:
    """Largest |difference| as a share of the rival's largest |score|, over all prompts that both scored."""
    theirs = {_start(run, 1, prompts): output.float() for run, output in enumerate(other.outputs)}
    shares = []
    for run, output in enumerate(own.outputs):
        start = _start(run, batch, prompts)
        shares += [
            float((output[place - start].float() - scores).abs().max() / scores.abs().max())
            for place, scores in theirs.items()
            if start <= place < start + batch
        ]
    return max(shares)

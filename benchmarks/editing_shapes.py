"""How fast values are found at a published shape with random weights: many facts at once, and one after the other.

    python benchmarks/editing_shapes.py                               llama-3-8b in bfloat16 on a GPU
    python benchmarks/editing_shapes.py --shape llama-124m --device cpu --dtype float32 --facts 2 --steps 2

Writes results/editing-shapes.json: edits a second and peak memory of both ways (benchmarks/_loop.py is the loop of
released codes), each with the shape's own settings and twenty contexts, as many steps for every fact; and whole ROME
edits, whose factors are float32 whatever the base is, with the identity for the covariance. Facts and tokens are those
of pocket-swiglu: only their number and length matter to random weights.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from _loop import one_at_a_time
from _machine import synchronize
from _shapes import build
from torch import Tensor

import errata
from errata.associative.values import Site, ValueSettings, optimise_values
from errata.datasets.pocket import cases
from errata.deltas import Edit
from errata.editors._presets import preset
from errata.facts import Fact
from errata.methods import settings_of, versions
from errata.model.view import ModelView
from errata.reproduce.peak import peak_on_card

RESULTS = Path(__file__).parent / "results"
SEED, FEW = 3, 4
SITES: tuple[Site, ...] = ("value", "block")


def shaped(name: str, dtype: torch.dtype, device: str) -> ModelView:
    """A random model of the shape, with a tokenizer that reads the facts."""
    own = build(name, SEED, dtype, device)
    return ModelView(own.model, errata.load("pocket-swiglu").tokenizer, name=name)


def contexts_of(facts: list[Fact], count: int) -> list[str]:
    """Beginnings of other facts' texts: a random model samples nothing that could be read."""
    return ["", *(" ".join(fact.text.split()[: 5 + at % 2 * 5]) + ". " for at, fact in enumerate(facts[:count]))]


def measured(view: ModelView, work: Callable[[], object]) -> dict[str, Any]:
    """Seconds, and on a GPU the bytes beyond what the model holds."""
    seconds: list[float] = []

    def timed() -> None:
        synchronize(view.device)
        began = time.perf_counter()
        work()
        synchronize(view.device)
        seconds.append(time.perf_counter() - began)

    peak = peak_on_card(timed, view.device) if view.device.type == "cuda" else timed()
    return {"seconds": seconds[0], "peak_bytes": peak}


def settings_for(view: ModelView, site: Site, steps: int | None) -> ValueSettings:
    """The shape's own settings, with as many steps for every fact."""
    own = preset(view).rome if site == "value" else preset(view).memit
    return replace(own, stop=0.0, steps=steps or own.steps)


def values(view: ModelView, site: Site, facts: list[Fact], contexts: list[str], settings: ValueSettings) -> Any:
    """Both ways on the same facts, the loop on no more than its first four: it takes as long for each."""
    known = preset(view)
    layer = known.one if site == "value" else known.spread[-1]
    targets = [fact.target or "" for fact in facts]

    def together() -> Tensor:
        return optimise_values(view, layer, facts, targets, contexts, settings, site=site).delta

    def alone() -> Tensor:
        return one_at_a_time(view, layer, facts[:FEW], contexts, settings, site)

    optimise_values(view, layer, facts[:1], targets[:1], contexts, replace(settings, steps=1), site=site)
    found = {"at once": measured(view, together), "one by one": measured(view, alone)}
    counts = {"at once": len(facts), "one by one": len(facts[:FEW])}
    rates = {way: counts[way] / row["seconds"] for way, row in found.items()}
    return {
        "site": site,
        "layer": layer,
        "facts": counts,
        "settings": settings_of(settings),
        **{way: {**row, "edits_per_second": rates[way]} for way, row in found.items()},
        "ratio": rates["at once"] / rates["one by one"],
    }


def edits(view: ModelView, facts: list[Fact], settings: ValueSettings) -> Any:
    """Whole ROME edits without covariance, all facts in one step."""
    rome = errata.editor("rome", values=settings, use_covariance=False, context_lengths=())
    made: list[Edit] = []
    found = measured(view, lambda: made.append(rome.edit(view, facts)))
    kinds = sorted({str(delta.left.dtype) for edit in made for delta in edit.deltas})
    return {"facts": len(facts), **found, "edits_per_second": len(facts) / found["seconds"], "factors": kinds}


def main() -> None:
    """Measure and write the result file after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="llama-3-8b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--facts", type=int, default=64)
    parser.add_argument("--steps", type=int, help="by default the shape's own number")
    parser.add_argument("--contexts", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS / "editing-shapes.json")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("editing_shapes.py: this machine has no CUDA device; nothing was measured.", file=sys.stderr)
        raise SystemExit(1)
    view = shaped(options.shape, getattr(torch, options.dtype), options.device)
    facts = [case.fact for case in cases("swiglu", options.facts + options.contexts, SEED)]
    contexts = contexts_of(facts[options.facts :], options.contexts)
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/editing_shapes.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "versions": versions(),
        "device": torch.cuda.get_device_name() if view.device.type == "cuda" else f"{os.cpu_count()} cores",
        "shape": options.shape,
        "dtype": options.dtype,
        "contexts": len(contexts),
        "values": [],
        "edits": None,
    }
    for site in SITES:
        settings = settings_for(view, site, options.steps)
        result["values"].append(values(view, site, facts[: options.facts], contexts, settings))
        options.out.write_text(json.dumps(result, indent=1) + "\n")
        print(site, result["values"][-1]["ratio"], flush=True)
    result["edits"] = edits(view, facts[: options.facts], settings_for(view, "value", options.steps))
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

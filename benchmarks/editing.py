"""How fast edits are made: many facts at once against one after the other, and what a solve costs.

    python benchmarks/editing.py                  writes results/editing-speed.json
    python benchmarks/editing.py --parts values   the values only

values   δ of --facts facts, all at once, against the loop of released codes (benchmarks/_loop.py: a fact at a time,
         whole rows, every layer), with the same settings and contexts, in turns; how far the two differ; peak memory
         of each in a process of its own. `one context` is the embedded models' preset, `twenty` the published number,
         with an eighth of the facts.
edits    whole edits a second of ROME and MEMIT, in one step and fact by fact.
solve    seconds of a MEMIT step's system by Woodbury's identity, for numbers of facts and of neurons, against the
         direct solve, and the one factorisation that both begin with.

Undo and replay against the ledger's length: benchmarks/ledger.py. Tokens of a covariance: benchmarks/covariance.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _loop import one_at_a_time
from _machine import Contestant, interleaved
from torch import Tensor

import errata
from errata.associative.sampling import sample_contexts
from errata.associative.solve import by_covariance
from errata.associative.values import Site, ValueSettings, optimise_values
from errata.datasets.pocket import cases
from errata.editors._presets import preset
from errata.facts import Fact
from errata.methods import settings_of, versions
from errata.model.view import ModelView
from errata.reproduce.peak import peak_in_process

RESULTS = Path(__file__).parent / "results"
SEED = 3
CONTEXTS = {"one context": (5,), "twenty contexts": (5,) * 10 + (10,) * 10}
PART = {"one context": 1, "twenty contexts": 8}  # of the facts
SITES: dict[Site, str] = {"value": "ROME, layer 1", "block": "MEMIT, behind block 3"}
LAYER: dict[Site, int] = {"value": 1, "block": 3}
SIZES, NUMBERS = (1024, 2048, 4096), (1, 8, 64, 512)

Work = tuple[ModelView, list[Fact], list[str], ValueSettings, Site]


def work(kind: str, count: int, contexts: str, site: Site) -> Work:
    """A model, facts of seed SEED, contexts and the model's own settings."""
    view = errata.load(f"pocket-{kind}")
    texts = sample_contexts(view, CONTEXTS[contexts], 0)
    return view, [case.fact for case in cases(kind, count, SEED)], texts, preset(view).rome, site


def together(given: Work) -> Tensor:
    """δ of all facts in one batch."""
    view, facts, texts, settings, site = given
    targets = [fact.target or "" for fact in facts]
    return optimise_values(view, LAYER[site], facts, targets, texts, settings, site=site).delta


def alone(given: Work) -> Tensor:
    """δ of all facts by the loop."""
    view, facts, texts, settings, site = given
    return one_at_a_time(view, LAYER[site], facts, texts, settings, site)


WAYS: dict[str, Callable[[Work], Tensor]] = {"batched": together, "loop": alone}


def values(kind: str, count: int, contexts: str, site: Site, runs: int) -> dict[str, Any]:
    """Edits a second of both ways, their ratio, their difference and their memory."""
    given = work(kind, count, contexts, site)
    few: Work = (given[0], given[1][:2], *given[2:])
    found = interleaved(
        {name: Contestant(lambda _, way=way: way(given), lambda way=way: way(few), runs) for name, way in WAYS.items()},
        given[0].device,
    )
    one, all_ = found["loop"].outputs[-1], found["batched"].outputs[-1]
    relative = (all_ - one).norm(dim=-1) / one.norm(dim=-1)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        memory = {
            name: pool.submit(_memory, name, kind, count, contexts, site, torch.get_num_threads()).result()
            for name in WAYS
        }
    return {
        "model": f"pocket-{kind}",
        "facts": count,
        "contexts": contexts,
        "site": SITES[site],
        "settings": settings_of(given[3]),
        "seconds": {name: timing.to_dict() for name, timing in found.items()},
        "edits_per_second": {name: count / timing.median for name, timing in found.items()},
        "ratio": found["loop"].median / found["batched"].median,
        "processor_ratio": median(found["loop"].processor_seconds) / median(found["batched"].processor_seconds),
        "relative_difference": {
            "median": float(relative.median()),
            "largest": float(relative.max()),
            "above_1e-4": int((relative > 1e-4).sum()),
        },
        "peak_bytes": memory,
    }


def _memory(name: str, kind: str, count: int, contexts: str, site: Site, threads: int) -> int:
    torch.set_num_threads(threads)
    given = work(kind, count, contexts, site)
    WAYS[name]((given[0], given[1][:2], *given[2:]))
    return peak_in_process(lambda: WAYS[name](given))


def edits(kind: str, name: str, count: int) -> dict[str, Any]:
    """Whole edits a second, contexts and covariance at hand: all facts in one step, and fact by fact."""
    view, facts, *_ = work(kind, count, "one context", "value")
    editor = errata.editor(name)
    editor.edit(view, facts[:1])
    seconds: dict[str, float] = {}
    for way, steps in (("one step", [facts]), ("fact by fact", [[fact] for fact in facts])):
        began = time.perf_counter()
        for step in steps:
            editor.edit(view, step)
        seconds[way] = time.perf_counter() - began
    rates = {way: count / took for way, took in seconds.items()}
    return {"model": f"pocket-{kind}", "editor": name, "facts": count, "edits_per_second": rates}


def solve(d_ff: int, runs: int) -> dict[str, Any]:
    """Seconds of Kᵀ(λC + KKᵀ)⁻¹ for numbers of facts, both ways, and of C's inverse."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(2 * d_ff, d_ff, generator=generator, dtype=torch.float64)
    covariance = text.T @ text / len(text)
    began = time.perf_counter()
    weighting = by_covariance(covariance, float(d_ff))
    rows: dict[str, Any] = {"d_ff": d_ff, "inverse_once": time.perf_counter() - began, "facts": {}}
    loaded = d_ff * (covariance + 1e-3 * covariance.diagonal().mean() * torch.eye(d_ff, dtype=torch.float64))
    for facts in NUMBERS:
        keys = torch.randn(facts, d_ff, generator=generator, dtype=torch.float64)

        def direct(keys: Tensor = keys) -> Tensor:
            return torch.cholesky_solve(keys.T, torch.linalg.cholesky(loaded + keys.T @ keys)).T

        found = interleaved(
            {
                "woodbury": Contestant(
                    lambda _, keys=keys: weighting.rows(keys), lambda keys=keys: weighting.rows(keys), runs
                ),
                "direct": Contestant(lambda _, direct=direct: direct(), direct, runs),
            },
            torch.device("cpu"),
        )
        ours, theirs = found["woodbury"].outputs[-1], found["direct"].outputs[-1]
        rows["facts"][str(facts)] = {
            **{name: timing.median for name, timing in found.items()},
            "relative_difference": float((ours - theirs).norm() / theirs.norm()),
        }
    return rows


def main() -> None:
    """Measure and write the result file after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["gelu", "swiglu"])
    parser.add_argument("--parts", nargs="+", default=["values", "edits", "solve"])
    parser.add_argument("--out", type=Path, default=RESULTS / "editing-speed.json")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/editing.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "seed": SEED,
        "versions": versions(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "values": [],
        "edits": [],
        "solve": [],
    }

    def done(part: str, row: dict[str, Any]) -> None:
        result[part].append({**row, "load": os.getloadavg()[0]})
        options.out.write_text(json.dumps(result, indent=1) + "\n")
        shown = {name: row[name] for name in ("ratio", "edits_per_second", "facts") if name in row}
        print(part, row.get("model", row.get("d_ff")), row.get("site", row.get("editor", "")), shown, flush=True)

    def chosen(part: str) -> Sequence[str]:
        return options.models if part in options.parts else ()

    for kind in chosen("values"):
        for contexts in CONTEXTS:
            for site in SITES:
                done("values", values(kind, options.facts // PART[contexts], contexts, site, options.runs))
    for kind in chosen("edits"):
        for name in ("rome", "memit"):
            done("edits", edits(kind, name, options.facts))
    for d_ff in SIZES if "solve" in options.parts else ():
        done("solve", solve(d_ff, options.runs))


if __name__ == "__main__":
    main()
